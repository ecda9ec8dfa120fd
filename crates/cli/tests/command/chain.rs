//! A source that is itself a target: it is read through the control port of the engine in front of it.

use tributary_sandbox::create_applier_user;

use crate::metrics::free_port;
use crate::site::Site;
use crate::support::{Dir, Running};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_is_read_through_the_control_port_of_another_engine() {
    let site = Site::new().await;
    let (source, account) = &site.sources[0];
    let writer = create_applier_user(source, &["ALL PRIVILEGES ON *.*"])
        .await
        .unwrap();
    let (dir, port) = (Dir::new(), free_port());
    dir.file("target.password", &writer.password);
    let option_file = dir.file(
        "front.cnf",
        &format!(
            "[tributary]\nserver_id=11\nstate_dir=@DIR@/state\ntarget_socket={}\ntarget_user={}\n\
             target_password_file=@DIR@/target.password\ncontrol_port={port}\n",
            source.socket().display(),
            writer.user,
        ),
    );
    let mut front = Running::start(&option_file, &[]);
    front.wait_for_log("listening for control");
    let mut running = site.start();
    let tables = "CREATE DATABASE master1_asterisk; CREATE TABLE master1_asterisk.vicidial_log (id INT PRIMARY KEY, status VARCHAR(9))";
    site.target.run(tables).await.unwrap();
    for by_gtid in ["no", "slave_pos"] {
        site.change_master("master1", 0).await;
        site.run(&format!(
            "CHANGE MASTER 'master1' TO MASTER_HOST='127.0.0.1', MASTER_PORT={port}, MASTER_USER='{}', MASTER_PASSWORD='{}'",
            account.user, account.password
        ));
        site.run(&format!(
            "CHANGE MASTER 'master1' TO MASTER_USE_GTID={by_gtid}; START SLAVE 'master1'"
        ));
        let insert = "INSERT INTO asterisk.vicidial_log SELECT COUNT(*), 'A' FROM asterisk.vicidial_log";
        source.run(insert).await.unwrap();
        site.wait_for("master1", 0).await;
        site.wait_for_field("master1", "Slave_IO_Running", "Yes");
        site.run("STOP SLAVE 'master1'");
    }
    let count = "SELECT COUNT(*) FROM master1_asterisk.vicidial_log";
    assert_eq!(site.run(count).trim(), "2", "{}", running.log());
    for running in [&mut running, &mut front] {
        running.signal("TERM");
        assert_eq!(running.wait(), Some(0), "{}", running.log());
    }
}

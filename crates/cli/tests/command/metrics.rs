//! Shows what monitoring sees over HTTP of an engine with real servers: running, with a stopped connection, and without a target.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

use crate::run::Stage;
use crate::support::{DEADLINE, Dir, Running};

/// An answer over HTTP.
struct Answer {
    code: u16,
    head: String,
    body: String,
}

/// Asks once; `None` while nobody listens.
fn get(port: u16, path: &str, header: &str) -> Option<Answer> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\n{header}\r\n").unwrap();
    let mut text = String::new();
    // The engine ends the connection.
    stream.read_to_string(&mut text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let code = head.split(' ').nth(1).unwrap().parse().unwrap();
    Some(Answer {
        code,
        head: head.to_ascii_lowercase(),
        body: body.to_owned(),
    })
}

fn metrics(port: u16) -> String {
    get(port, "/metrics", "")
        .map(|answer| answer.body)
        .unwrap_or_default()
}

/// The sample of this name and these labels.
fn sample(text: &str, name: &str) -> Option<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    Some(line.trim().parse().unwrap())
}

/// A port that was free a moment ago.
pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

const NATIVE: &str = "{master_host=\"127.0.0.1\",master_uuid=\"\",channel_name=\"\",connection_name=\"eu\"}";

#[tokio::test(flavor = "multi_thread")]
async fn a_running_engine_is_scraped_and_a_stopped_connection_seen() {
    let port = free_port();
    let stage = Stage::new(&format!("metrics_port={port}")).await;
    let mut running = stage.start();
    let applied = "tributary_groups_applied_total{connection_name=\"eu\"}";
    running.wait_until("two groups in the metrics", |_| {
        sample(&metrics(port), applied) >= Some(2.0)
    });
    stage.wait_until_caught_up(&mut running).await;
    // A group is shown as executed a moment before it is counted.
    running.wait_until("every group counted", |_| {
        let text = metrics(port);
        let count = |name: &str| {
            let name = format!("tributary_groups_{name}_total{{connection_name=\"eu\"}}");
            sample(&text, &name).unwrap()
        };
        count("received") == count("applied") + count("filtered")
    });

    let text = metrics(port);
    for (name, value) in [
        ("tributary_target_up".to_owned(), 1.0),
        ("tributary_connections".to_owned(), 1.0),
        (format!("mysql_slave_status_slave_io_running{NATIVE}"), 1.0),
        (format!("mysql_slave_status_slave_sql_running{NATIVE}"), 1.0),
        (format!("mysql_slave_status_master_server_id{NATIVE}"), 1.0),
        (
            format!("mysql_slave_status_master_port{NATIVE}"),
            f64::from(stage.source.port()),
        ),
    ] {
        assert_eq!(sample(&text, &name), Some(value), "{name} in:\n{text}");
    }
    // What was received was applied, in fewer runs or as many; all of it has sizes and times.
    let eu = |name: &str| sample(&text, &format!("{name}{{connection_name=\"eu\"}}"));
    let groups = eu("tributary_groups_received_total");
    assert!(groups >= Some(2.0), "{text}");
    assert!(eu("tributary_events_received_total") > groups, "{text}");
    assert!(eu("tributary_bytes_received_total") > Some(100.0), "{text}");
    let batches = eu("tributary_batches_applied_total");
    assert!(batches >= Some(1.0) && batches <= groups, "{text}");
    assert!(eu("tributary_worker_busy_seconds_total") > Some(0.0), "{text}");
    assert!(sample(&text, "tributary_workers") >= Some(1.0), "{text}");
    let received = eu("tributary_newest_received_timestamp_seconds").unwrap();
    let applied_at = eu("tributary_newest_applied_timestamp_seconds").unwrap();
    assert!(
        received > 1.6e9 && applied_at > 1.6e9 && applied_at <= received,
        "{text}"
    );

    let place = stage.source.rows("SHOW MASTER STATUS").await.unwrap().remove(0);
    let executed = sample(&text, &format!("mysql_slave_status_exec_master_log_pos{NATIVE}"));
    assert_eq!(executed, place[1].clone().map(|offset| offset.parse().unwrap()));
    assert!(
        sample(&text, "process_resident_memory_bytes") > Some(1e6),
        "{text}"
    );

    let healthy = get(port, "/healthz", "").unwrap();
    assert_eq!(healthy.code, 200, "{}", healthy.body);
    assert!(
        healthy
            .body
            .contains("connection 'eu': ok: io running, sql running, "),
        "{}",
        healthy.body
    );

    // What the scraper asks for decides how it reads the text.
    let plain = get(port, "/metrics", "").unwrap();
    assert!(
        plain.head.contains("content-type: text/plain; version=0.0.4"),
        "{}",
        plain.head
    );
    let open = get(
        port,
        "/metrics",
        "Accept: application/openmetrics-text;version=1.0.0,*/*;q=0.1\r\n",
    );
    let open = open.unwrap();
    assert!(
        open.head
            .contains("content-type: application/openmetrics-text; version=1.0.0"),
        "{}",
        open.head
    );
    assert!(open.body.ends_with("# EOF\n"));
    assert_eq!(get(port, "/status", "").unwrap().code, 404);

    // A row that is in the way on the target stops the connection, and the engine with it: a second one would keep it.
    stage
        .target
        .run("INSERT INTO eu_asterisk.t VALUES (1)")
        .await
        .unwrap();
    stage
        .source
        .run("INSERT INTO asterisk.t VALUES (1)")
        .await
        .unwrap();
    assert_eq!(running.wait(), Some(1), "{}", running.log());
    assert!(get(port, "/healthz", "").is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_stopped_is_told_beside_one_that_runs() {
    let port = free_port();
    // The second connection has the source's own id, which the source refuses.
    let stage = Stage::new(&format!("metrics_port={port}")).await;
    let text = std::fs::read_to_string(&stage.option_file).unwrap();
    let second: String = text
        .lines()
        .filter_map(|line| line.strip_prefix("eu."))
        .map(|line| format!("us.{}\n", line.replace("eu_asterisk", "us_asterisk")))
        .collect();
    std::fs::write(&stage.option_file, format!("{text}{second}us.server_id=1\n")).unwrap();
    let mut running = stage.start();
    let stopped = "tributary_io_state{connection_name=\"us\",state=\"stopped\"}";
    running.wait_until("the stop in the metrics", |_| {
        sample(&metrics(port), stopped) == Some(1.0)
    });
    running.wait_until("the other one running", |_| {
        sample(
            &metrics(port),
            "tributary_io_state{connection_name=\"eu\",state=\"running\"}",
        ) == Some(1.0)
    });
    let text = metrics(port);
    let native = NATIVE.replace("\"eu\"", "\"us\"");
    assert_eq!(
        sample(&text, &format!("mysql_slave_status_slave_io_running{native}")),
        Some(0.0)
    );
    assert!(
        !text.contains(&format!("mysql_slave_status_seconds_behind_master{native}")),
        "{text}"
    );
    let errno = sample(
        &text,
        "tributary_last_error_number{connection_name=\"us\",thread=\"io\"}",
    );
    assert!(errno > Some(0.0), "{text}");
    let health = get(port, "/healthz", "").unwrap();
    assert_eq!(health.code, 503);
    assert!(
        health.body.contains("connection 'eu': ok: ")
            && health.body.contains("connection 'us': failed: io stopped"),
        "{}",
        health.body
    );
    running.signal("TERM");
    assert_eq!(running.wait(), Some(1), "{}", running.log());
}

#[test]
fn an_engine_that_waits_for_its_target_answers_already() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free_port();
    let dir = Dir::new();
    dir.file("password", "secret");
    let option_file = dir.file(
        "t.cnf",
        &format!(
            "[tributary]\nserver_id=77\nstate_dir=@DIR@/state\nmetrics_port={port}\n\
             target_host=127.0.0.1\ntarget_port={}\ntarget_user=t\ntarget_password_file=@DIR@/password\n\
             eu.master_host=127.0.0.1\neu.master_user=r\neu.master_password_file=@DIR@/password\neu.master_log_file=b.000001\n",
            silent.local_addr().unwrap().port(),
        ),
    );
    let mut running = Running::start(&option_file, &[]);
    running.wait_until("metrics", |_| {
        sample(&metrics(port), "tributary_target_up") == Some(0.0)
    });
    let health = get(port, "/healthz", "").unwrap();
    assert_eq!(health.code, 503);
    assert!(
        health.body.starts_with("target: failed: connecting"),
        "{}",
        health.body
    );

    // The port is taken: another engine says so and does not run.
    let text = std::fs::read_to_string(&option_file)
        .unwrap()
        .replace("/state\n", "/other\n");
    let other = dir.file("other.cnf", &text);
    let mut second = Running::start(&other, &[]);
    assert_eq!(second.wait(), Some(1), "{}", second.log());
    assert!(
        second
            .log()
            .contains(&format!("listen for metrics at 127.0.0.1:{port}: ")),
        "{}",
        second.log()
    );
    running.signal("TERM");
    assert_eq!(running.wait(), Some(0), "{}", running.log());
}

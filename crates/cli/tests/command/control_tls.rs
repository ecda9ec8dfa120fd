//! TLS towards clients of the control port, with the server's own client: verified, required, refused, and with the accounts of a target
//! that has none.

use std::process::Command;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use tributary_sandbox::{Server, ServerOptions, create_applier_user};

use crate::metrics::free_port;
use crate::site::Site;
use crate::support::{Dir, Ran, Running};

/// Writes `ca.pem`, `cert.pem` for localhost and `key.pem`, and `other.pem`, an authority that has signed nothing.
fn certify(dir: &Dir) {
    let authority = |name: &str| {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
    };
    let (issuer, other) = (authority("ours"), authority("another"));
    let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    params.distinguished_name.push(DnType::CommonName, "localhost");
    let key = KeyPair::generate().unwrap();
    dir.file("ca.pem", &issuer.pem());
    dir.file("other.pem", &other.pem());
    dir.file("cert.pem", &params.signed_by(&key, &issuer).unwrap().pem());
    dir.file_with_mode("key.pem", &key.serialize_pem(), 0o600);
}

struct Stage {
    target: Server,
    dir: Dir,
    port: u16,
}

impl Stage {
    async fn new() -> Self {
        let target = Server::start(
            ServerOptions::target()
                .arg("--skip-ssl")
                .arg("--plugin-load-add=auth_ed25519"),
        )
        .await
        .unwrap();
        let writer = create_applier_user(&target, &["ALL PRIVILEGES ON *.*"])
            .await
            .unwrap();
        target
            .run(
                "CREATE USER native@localhost IDENTIFIED VIA mysql_native_password USING PASSWORD('one'); \
                 CREATE USER ed@localhost IDENTIFIED VIA ed25519 USING PASSWORD('two'); GRANT ALL ON *.* TO native@localhost, ed@localhost",
            )
            .await
            .unwrap();
        let dir = Dir::new();
        certify(&dir);
        dir.file("target.password", &writer.password);
        let stage = Self {
            target,
            dir,
            port: free_port(),
        };
        stage.configure(&writer.user, "");
        stage
    }

    fn configure(&self, user: &str, more: &str) {
        let text = format!(
            "[tributary]\nserver_id=10\nstate_dir=@DIR@/state\ntarget_socket={}\ntarget_user={user}\n\
             target_password_file=@DIR@/target.password\ncontrol_port={}\ncontrol_socket=@DIR@/control.sock\n\
             control_ssl_cert=@DIR@/cert.pem\ncontrol_ssl_key=@DIR@/key.pem\n{more}",
            self.target.socket().display(),
            self.port,
        );
        self.dir.file("tributary.cnf", &text);
    }

    fn start(&self) -> Running {
        let mut running = Running::start(&self.dir.path().join("tributary.cnf"), &[]);
        running.wait_for_log("listening for control");
        running
    }

    fn path(&self, name: &str) -> String {
        self.dir.path().join(name).display().to_string()
    }

    /// What the client says who comes over TCP as this account.
    fn client(&self, (user, password): (&str, &str), args: &[&str]) -> Ran {
        let mut client = Command::new("mariadb");
        client.env("HOME", self.dir.path()).env("MYSQL_PWD", password);
        client.args([
            "--no-defaults",
            "-NB",
            "--protocol=tcp",
            "-hlocalhost",
            "-u",
            user,
        ]);
        client.arg(format!("-P{}", self.port)).args(args);
        client.output().unwrap().into()
    }
}

const NATIVE: (&str, &str) = ("native", "one");
const ED25519: (&str, &str) = ("ed", "two");

/// The client's own word for the line: with TLS it names the cipher.
const IS_OPEN: &str = "Not in use";

#[tokio::test(flavor = "multi_thread")]
async fn clients_get_tls_that_they_can_verify_whatever_their_account() {
    let stage = Stage::new().await;
    let _running = stage.start();
    let (ours, other) = (
        format!("--ssl-ca={}", stage.path("ca.pem")),
        format!("--ssl-ca={}", stage.path("other.pem")),
    );
    let verify = "--ssl-verify-server-cert";
    for account in [NATIVE, ED25519] {
        let ran = stage.client(account, &[&ours, verify, "-e", "\\s"]);
        assert_eq!(ran.code, Some(0), "{account:?}: {}", ran.stderr);
        let line = ran
            .stdout
            .lines()
            .find(|line| line.starts_with("SSL:"))
            .unwrap_or_default();
        assert!(line.contains("Cipher in use"), "{}", ran.stdout);
        // Both kinds of statement, several in one text, an answer of many packets, and a long text.
        let long = format!("SELECT LENGTH('{}')", "x".repeat(100_000));
        let sql = "SHOW ALL SLAVES STATUS; SELECT SUM(LENGTH(REPEAT('y',1000)) + seq) FROM (SELECT seq, REPEAT('z',1000) FROM mysql.seq_1_to_20000) AS t; \
             START SLAVE 'nobody'";
        let ran = stage.client(account, &[&ours, verify, "-e", sql]);
        assert!(ran.stderr.contains("nobody"), "{}", ran.stderr);
        assert!(ran.stdout.contains("220010000"), "{}", ran.stdout);
        let ran = stage.client(account, &[&ours, verify, "-e", &long]);
        assert_eq!(
            (ran.code, ran.stdout.as_str()),
            (Some(0), "100000\n"),
            "{}",
            ran.stderr
        );
        let rows = stage.client(
            account,
            &[
                &ours,
                "-e",
                "SELECT seq, REPEAT('z',1000) FROM mysql.seq_1_to_20000",
            ],
        );
        assert_eq!(
            (rows.code, rows.stdout.lines().count()),
            (Some(0), 20_000),
            "{}",
            rows.stderr
        );
        let wrong = stage.client((account.0, "wrong"), &[&ours, "-e", "SELECT 1"]);
        assert!(wrong.stderr.contains("ERROR 1045"), "{}", wrong.stderr);
        let plain = stage.client(account, &["--skip-ssl", "-e", "\\s"]);
        assert_eq!(plain.code, Some(0), "{}", plain.stderr);
        assert!(plain.stdout.contains(IS_OPEN), "{}", plain.stdout);
    }
    let stranger = stage.client(NATIVE, &[&other, verify, "-e", "SELECT 1"]);
    assert_ne!(stranger.code, Some(0), "a certificate of another authority");
    let old = stage.client(NATIVE, &[&ours, "--tls-version=TLSv1.2", "-e", "\\s"]);
    assert!(
        old.stdout.contains("Cipher in use"),
        "{}{}",
        old.stdout,
        old.stderr
    );
    let too_old = stage.client(NATIVE, &[&ours, "--tls-version=TLSv1.1", "-e", "SELECT 1"]);
    assert_ne!(too_old.code, Some(0), "TLS 1.1");
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_can_be_required_and_its_key_must_be_private() {
    let stage = Stage::new().await;
    stage.configure("tributary", "control_ssl_require=ON\n");
    let ours = format!("--ssl-ca={}", stage.path("ca.pem"));
    {
        let _running = stage.start();
        let plain = stage.client(NATIVE, &["--skip-ssl", "-e", "SELECT 1"]);
        assert!(plain.stderr.contains("3159"), "{}", plain.stderr);
        let secured = stage.client(NATIVE, &[&ours, "-e", "SELECT 1"]);
        assert_eq!(
            (secured.code, secured.stdout.as_str()),
            (Some(0), "1\n"),
            "{}",
            secured.stderr
        );
        // Nobody listens in on a unix socket.
        let socket = format!("--socket={}", stage.path("control.sock"));
        let local = stage.client(
            NATIVE,
            &["--protocol=socket", &socket, "--skip-ssl", "-e", "SELECT 1"],
        );
        assert_eq!(local.code, Some(0), "{}", local.stderr);
    }
    let key = std::fs::read_to_string(stage.path("key.pem")).unwrap();
    stage.dir.file_with_mode("key.pem", &key, 0o640);
    let mut running = Running::start(&stage.dir.path().join("tributary.cnf"), &[]);
    assert_eq!(running.wait(), Some(1));
    assert!(running.log().contains("chmod 600"), "{}", running.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewed_certificate_is_used_without_a_restart() {
    let stage = Stage::new().await;
    let mut running = stage.start();
    // Whether a client that trusts what is in this file takes the port for localhost.
    let trusts = |name: &str| {
        let ca = format!("--ssl-ca={}", stage.path(name));
        let ran = stage.client(NATIVE, &[&ca, "--ssl-verify-server-cert", "-e", "SELECT 1"]);
        ran.code == Some(0)
    };
    std::fs::copy(stage.path("ca.pem"), stage.path("first.pem")).unwrap();
    assert!(trusts("first.pem"));

    // A certificate without its key, as between the two writes of a renewal.
    let key = std::fs::read_to_string(stage.path("key.pem")).unwrap();
    certify(&stage.dir);
    let renewed = std::fs::read_to_string(stage.path("key.pem")).unwrap();
    stage.dir.file_with_mode("key.pem", &key, 0o600);
    assert!(trusts("first.pem"), "{}", running.log());
    running.wait_for_log("the certificate has changed and cannot be used, the last one stays");
    assert!(!trusts("ca.pem"));

    // Both, but others may read the key.
    stage.dir.file_with_mode("key.pem", &renewed, 0o644);
    assert!(trusts("first.pem"), "{}", running.log());
    running.wait_for_log("chmod 600");

    stage.dir.file_with_mode("key.pem", &renewed, 0o600);
    assert!(trusts("ca.pem"), "{}", running.log());
    assert!(!trusts("first.pem"));
    running.wait_for_log("TLS goes on with the renewed certificate");

    // Files that are gone.
    std::fs::remove_file(stage.path("cert.pem")).unwrap();
    assert!(trusts("ca.pem"), "{}", running.log());
    running.wait_for_log("read control_ssl_cert");
}

#[tokio::test]
async fn a_plain_line_to_another_machine_is_warned_of() {
    let site = Site::new().await;
    let mut running = site.start();
    site.run("CHANGE MASTER 'far' TO MASTER_HOST='192.0.2.1', MASTER_USER='r', MASTER_PASSWORD='p'");
    running.wait_for_log(
        "connection far: the source at 192.0.2.1:3306 is on another machine and reached without TLS",
    );
    site.run("CHANGE MASTER 'far' TO MASTER_SSL=1");
    running.wait_for_log("with TLS, but no certificate is checked");
    running.signal("TERM");
    assert_eq!(running.wait(), Some(0), "{}", running.log());
}

//! Mails over TLS: to a real mail server whose certificate the manager's machine trusts, and to one that is not who it says.

use std::io::{BufRead, BufReader, Lines};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use serde_json::Value;

use crate::world::World;

const HOST: &str = "localhost";
const PASSWORD: &str = "planted-mail-password";

/// Writes a certificate for [`HOST`] with its key, another pair for each name.
fn certify(directory: &Path, name: &str) {
    let subject =
        format!("-subj /CN={name} -addext subjectAltName=DNS:{HOST} -addext basicConstraints=critical,CA:FALSE");
    let new_key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2";
    let arguments = format!("req -x509 {new_key} {subject} -keyout {name}.key -out {name}.pem");
    let output = Command::new("openssl").args(arguments.split(' ')).current_dir(directory).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

struct MailServer {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    port: u64,
}

impl MailServer {
    fn start(how: &str, directory: &Path, certificate: &str) -> Self {
        let mut command = Command::new("/usr/bin/python3");
        command.args(["-c", include_str!("../mail_server.py"), how]).current_dir(directory);
        command.args([format!("{certificate}.pem"), format!("{certificate}.key")]);
        // It ends when nobody holds its input any more.
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut server = Self { child, lines, port: 0 };
        server.port = server.next()["port"].as_u64().unwrap();
        server
    }

    fn next(&mut self) -> Value {
        let line = self.lines.next().unwrap_or_else(|| panic!("it ended; it needs the package python3-aiosmtpd"));
        serde_json::from_str(&line.unwrap()).unwrap()
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn mails_go_encrypted_to_a_server_that_is_who_it_says_and_to_no_other() {
    let files = tempfile::tempdir().unwrap();
    certify(files.path(), "trusted");
    certify(files.path(), "stranger");
    let password = files.path().join("password");
    std::fs::write(&password, PASSWORD).unwrap();
    // What the machine trusts, for this manager.
    let trusted = files.path().join("trusted.pem");
    let world = World::start_with(1, |serve| {
        serve.env("SSL_CERT_FILE", &trusted);
    });
    world.ok(&format!(
        "notification-target create mail --kind email --smtp-server {HOST}:1 --smtp-user storage \
         --smtp-password-file {} --from storage@example.org --to ann@example.org",
        password.display()
    ));
    for how in ["tls", "starttls"] {
        let mut server = MailServer::start(how, files.path(), "trusted");
        world.ok(&format!("notification-target set mail --smtp-server {HOST}:{} --smtp-security {how}", server.port));
        world.ok("notification-target test mail");
        let mail = server.next();
        assert_eq!(
            (&mail["encrypted"], &mail["to"][0]),
            (&Value::Bool(true), &Value::from("ann@example.org")),
            "{how}"
        );
        assert!(mail["data"].as_str().unwrap().contains("This is a test"), "{mail}");
        // By another name than the certificate's it is another server.
        world.ok(&format!("notification-target set mail --smtp-server 127.0.0.1:{}", server.port));
        let refused = world.fails(1, "notification-target test mail");
        assert!(refused.contains("certificate") && !refused.contains(PASSWORD), "{how}: {refused}");

        let stranger = MailServer::start(how, files.path(), "stranger");
        world.ok(&format!("notification-target set mail --smtp-server {HOST}:{}", stranger.port));
        let refused = world.fails(1, "notification-target test mail");
        assert!(refused.contains("certificate") && !refused.contains(PASSWORD), "{how}: {refused}");
    }
}

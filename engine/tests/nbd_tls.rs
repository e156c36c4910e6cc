//! The NBD server with TLS: who gets in, who doesn't, and what is said about unfit files.
#![expect(clippy::unwrap_used, reason = "a panic in a test is its message")]

mod file_device;

use std::fs::{self, Permissions};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use aurochs_engine::frontend::Frontend;
use aurochs_engine::frontend::nbd::{NbdConfig, NbdError, NbdFrontend, Tls, TlsError, TlsFiles};
use file_device::{FileDevice, run};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const SIZE: u64 = 16 << 20;

/// An authority and what it signed, in a directory of its own.
struct Authority(TempDir);

fn openssl(directory: &Path, arguments: &str) {
    let output = Command::new("openssl").args(arguments.split(' ')).current_dir(directory).output().unwrap();
    assert!(output.status.success(), "openssl {arguments}: {}", String::from_utf8_lossy(&output.stderr));
}

const NEW_KEY: &str = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";

impl Authority {
    fn new(name: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let subject = format!("-subj /CN={name} -days 2 -keyout ca-key.pem -out ca-cert.pem");
        openssl(directory.path(), &format!("req -x509 {NEW_KEY} {subject}"));
        Self(directory)
    }

    fn path(&self, file: &str) -> PathBuf {
        self.0.path().join(file)
    }

    /// Makes `<name>-cert.pem` and `<name>-key.pem`.
    fn sign(&self, name: &str) {
        let directory = self.0.path();
        fs::write(directory.join("names"), "subjectAltName=DNS:localhost,IP:127.0.0.1").unwrap();
        openssl(directory, &format!("req {NEW_KEY} -subj /CN={name} -keyout {name}-key.pem -out {name}.csr"));
        let authority = "-CA ca-cert.pem -CAkey ca-key.pem -CAcreateserial -days 2 -extfile names";
        openssl(directory, &format!("x509 -req -in {name}.csr {authority} -out {name}-cert.pem"));
    }

    fn server_files(&self) -> TlsFiles {
        self.sign("server");
        TlsFiles { certificate: self.path("server-cert.pem"), key: self.path("server-key.pem"), client_ca: None }
    }

    /// A directory as clients want it: this authority to check the server by, and a certificate of `signed_by`.
    fn client(&self, signed_by: Option<&Self>) -> TempDir {
        let directory = tempfile::tempdir().unwrap();
        fs::copy(self.path("ca-cert.pem"), directory.path().join("ca-cert.pem")).unwrap();
        if let Some(authority) = signed_by {
            authority.sign("client");
            for file in ["client-cert.pem", "client-key.pem"] {
                fs::copy(authority.path(file), directory.path().join(file)).unwrap();
            }
        }
        directory
    }
}

struct Served {
    directory: TempDir,
    device: Arc<FileDevice>,
    server: NbdFrontend,
}

impl Served {
    async fn try_start(tls: Tls) -> Result<Self, NbdError> {
        let directory = tempfile::tempdir().unwrap();
        let device = FileDevice::create(&directory.path().join("image"), SIZE);
        let config = NbdConfig {
            export: "vol-1".into(),
            unix_socket: Some(directory.path().join("nbd.sock")),
            tcp: Some("127.0.0.1:0".parse().unwrap()),
            tls,
        };
        let server = NbdFrontend::start(Arc::clone(&device), config).await?;
        Ok(Self { directory, device, server })
    }

    async fn start(tls: Tls) -> Self {
        Self::try_start(tls).await.unwrap()
    }

    fn address(&self) -> SocketAddr {
        self.server.tcp_address().unwrap()
    }

    fn plain(&self) -> String {
        format!("nbd://{}/vol-1", self.address())
    }

    fn encrypted(&self, client: &TempDir) -> String {
        format!("nbds://localhost:{}/vol-1?tls-certificates={}", self.address().port(), client.path().display())
    }
}

/// Whether `nbdinfo` gets in, and what it says.
async fn knock(uri: &str) -> (bool, String) {
    let output =
        tokio::process::Command::new("nbdinfo").args(["--size", uri]).kill_on_drop(true).output().await.unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&text).trim().to_owned())
}

async fn gets_in(uri: &str) {
    assert_eq!(knock(uri).await, (true, SIZE.to_string()), "{uri}");
}

async fn is_refused(uri: &str) -> String {
    let (success, text) = knock(uri).await;
    assert!(!success, "{uri}: {text}");
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn encrypted_clients_copy_and_verify() {
    let authority = Authority::new("here");
    let served = Served::start(Tls::Require(authority.server_files())).await;
    assert!(served.server.tcp_uri().unwrap().starts_with("nbds://"));
    let client = authority.client(None);
    let source = served.directory.path().join("source");
    let data: Vec<u8> = (0..SIZE as u32 / 4).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    fs::write(&source, data).unwrap();
    let (source, uri) = (source.to_str().unwrap(), served.encrypted(&client));
    run("nbdcopy", &["--flush", "--connections=2", source, &uri]).await;
    run("cmp", &[source, served.device.path().to_str().unwrap()]).await;
    let credentials = format!("tls-creds-x509,id=tls,endpoint=client,dir={}", client.path().display());
    let image = format!(
        "driver=nbd,server.type=inet,server.host=localhost,server.port={},export=vol-1,tls-creds=tls",
        served.address().port()
    );
    let plain = format!("driver=raw,file.driver=file,file.filename={source}");
    run("qemu-img", &["compare", "--object", &credentials, "--image-opts", &image, &plain]).await;
    served.server.stop(false).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn without_encryption_tcp_gives_nothing_where_it_is_required() {
    let authority = Authority::new("here");
    let served = Served::start(Tls::Require(authority.server_files())).await;
    is_refused(&served.plain()).await;
    gets_in(&served.server.uri()).await;
    assert!(served.server.uri().starts_with("nbd+unix:"), "the socket file's rights are enough");

    let mut client = greeted(served.address()).await;
    for code in [3_u32, 6, 7, 8, 9, 10, 11, 4711] {
        option(&mut client, code, &[0; 6]).await;
        assert_eq!(option_reply(&mut client).await, 0x8000_0005, "option {code}: TLS_REQD");
    }
    option(&mut client, 5, &[1]).await;
    assert_ne!(option_reply(&mut client).await, 1, "STARTTLS takes no data");
    option(&mut client, 2, &[]).await;
    assert_eq!(option_reply(&mut client).await, 1, "a client may always leave");

    let mut old = greeted(served.address()).await;
    option(&mut old, 1, b"vol-1").await;
    hung_up(&mut old).await;
    served.server.stop(false).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn where_it_is_allowed_both_kinds_of_clients_get_in() {
    let authority = Authority::new("here");
    let served = Served::start(Tls::Allow(authority.server_files())).await;
    gets_in(&served.plain()).await;
    gets_in(&served.encrypted(&authority.client(None))).await;
    is_refused(&served.encrypted(&Authority::new("elsewhere").client(None))).await;
    gets_in(&served.plain()).await;
    served.server.stop(false).await.unwrap();

    let without = Served::start(Tls::Off).await;
    is_refused(&without.encrypted(&authority.client(None))).await;
    gets_in(&without.plain()).await;
    without.server.stop(false).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_need_a_certificate_of_the_right_authority() {
    let (authority, clients) = (Authority::new("servers"), Authority::new("clients"));
    let files = TlsFiles { client_ca: Some(clients.path("ca-cert.pem")), ..authority.server_files() };
    let served = Served::start(Tls::Require(files)).await;
    gets_in(&served.encrypted(&authority.client(Some(&clients)))).await;
    is_refused(&served.encrypted(&authority.client(None))).await;
    is_refused(&served.encrypted(&authority.client(Some(&Authority::new("clients"))))).await;
    gets_in(&served.encrypted(&authority.client(Some(&clients)))).await;
    served.server.stop(false).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_is_renewed_is_used_at_once() {
    let (before, after) = (Authority::new("before"), Authority::new("after"));
    let files = before.server_files();
    let served = Served::start(Tls::Require(files.clone())).await;
    let renewed = after.server_files();
    is_refused(&served.encrypted(&after.client(None))).await;
    fs::copy(&renewed.key, &files.key).unwrap();
    fs::copy(&renewed.certificate, &files.certificate).unwrap();
    gets_in(&served.encrypted(&after.client(None))).await;
    served.server.stop(false).await.unwrap();
}

/// Somebody on the way could have put the bytes after STARTTLS there, and they would count as the client's own.
#[tokio::test(flavor = "multi_thread")]
async fn what_comes_unencrypted_after_starttls_ends_the_connection() {
    let authority = Authority::new("here");
    let served = Served::start(Tls::Require(authority.server_files())).await;
    let mut client = greeted(served.address()).await;
    let injected = [option_bytes(5, &[]), option_bytes(3, &[])].concat();
    client.write_all(&injected).await.unwrap();
    assert_eq!(option_reply(&mut client).await, 1);
    hung_up(&mut client).await;
    let mut no_tls = greeted(served.address()).await;
    option(&mut no_tls, 5, &[]).await;
    assert_eq!(option_reply(&mut no_tls).await, 1);
    option(&mut no_tls, 7, &[0; 6]).await;
    hung_up(&mut no_tls).await;
    gets_in(&served.encrypted(&authority.client(None))).await;
    served.server.stop(false).await.unwrap();
}

async fn refused_files(files: TlsFiles) -> (TlsError, String) {
    match Served::try_start(Tls::Allow(files)).await.map(|_| ()) {
        Err(NbdError::Tls(error)) => {
            let text = error.to_string();
            (error, text)
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn unfit_files_are_told_apart() {
    let (authority, other) = (Authority::new("here"), Authority::new("other"));
    let good = authority.server_files();
    let missing = TlsFiles { certificate: authority.path("nowhere.pem"), ..good.clone() };
    let (error, text) = refused_files(missing).await;
    assert!(matches!(error, TlsError::Read { .. }) && text.contains("nowhere.pem"), "{text}");
    let (error, text) = refused_files(TlsFiles { certificate: good.key.clone(), ..good.clone() }).await;
    assert!(matches!(error, TlsError::Pem { .. }) && text.contains("BEGIN CERTIFICATE"), "{text}");
    let (error, text) = refused_files(TlsFiles { key: good.certificate.clone(), ..good.clone() }).await;
    assert!(matches!(error, TlsError::KeyOpen { .. } | TlsError::Pem { .. }), "{text}");
    let (error, text) = refused_files(TlsFiles { key: other.server_files().key, ..good.clone() }).await;
    assert!(matches!(error, TlsError::Pair { .. }) && text.contains("server-key.pem"), "{text}");
    let (error, text) = refused_files(TlsFiles { client_ca: Some("/dev/null".into()), ..good.clone() }).await;
    assert!(matches!(error, TlsError::Pem { .. }) && text.contains("/dev/null"), "{text}");
    fs::set_permissions(&good.key, Permissions::from_mode(0o644)).unwrap();
    let (error, text) = refused_files(good).await;
    assert!(matches!(error, TlsError::KeyOpen { mode: 0o644, .. }) && text.contains("chmod o-rwx"), "{text}");
}

async fn greeted(address: SocketAddr) -> TcpStream {
    let mut client = TcpStream::connect(address).await.unwrap();
    client.read_exact(&mut [0; 18]).await.unwrap();
    client.write_u32(3).await.unwrap();
    client
}

fn option_bytes(code: u32, data: &[u8]) -> Vec<u8> {
    [&b"IHAVEOPT"[..], &code.to_be_bytes(), &(data.len() as u32).to_be_bytes(), data].concat()
}

async fn option(client: &mut TcpStream, code: u32, data: &[u8]) {
    client.write_all(&option_bytes(code, data)).await.unwrap();
}

async fn option_reply(client: &mut TcpStream) -> u32 {
    let mut head = [0; 20];
    client.read_exact(&mut head).await.unwrap();
    let word = |at: usize| u32::from_be_bytes(head[at..at + 4].try_into().unwrap());
    client.read_exact(&mut vec![0; word(16) as usize]).await.unwrap();
    word(12)
}

/// Whatever was said before (a TLS alert), the connection ends.
async fn hung_up(client: &mut TcpStream) {
    let _ = client.read_to_end(&mut Vec::new()).await;
}

/// The options of the program, from the command line to the server.
#[tokio::test(flavor = "multi_thread")]
async fn a_launched_volume_takes_encrypted_clients_only_when_told_to() {
    let authority = Authority::new("here");
    let files = authority.server_files();
    // Not below /tmp: it may be a tmpfs, which has no direct I/O; short, for the sockets' paths.
    let root = tempfile::Builder::new().prefix("aur-").tempdir_in("/var/tmp").unwrap();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let launch = |certificate: &Path| {
        let mut program = tokio::process::Command::new(env!("CARGO_BIN_EXE_aurochs-engine"));
        program.arg("launch-simple-longhorn").arg(root.path().join("volume"));
        program.args(["--name", "vol-1", "--size", &SIZE.to_string(), "--frontend", "nbd", "--nbd-tls", "require"]);
        program
            .args(["--nbd-listen", &format!("127.0.0.1:{port}")])
            .arg("--run-directory")
            .arg(root.path().join("run"));
        program.arg("--nbd-tls-certificate").arg(certificate).arg("--nbd-tls-key").arg(&files.key);
        program.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).kill_on_drop(true);
        program
    };
    let refused = launch(Path::new("/nowhere.pem")).output().await.unwrap();
    let text = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success() && text.contains("cannot read the TLS certificate /nowhere.pem"), "{text}");

    let mut launched = launch(&files.certificate).spawn().unwrap();
    let mut lines = tokio::io::BufReader::new(launched.stdout.take().unwrap()).lines();
    let mut announced = String::new();
    while !announced.contains("nbds://") {
        announced += &lines.next_line().await.unwrap().expect("it announces its address");
    }
    let client = authority.client(None);
    gets_in(&format!("nbds://localhost:{port}/vol-1?tls-certificates={}", client.path().display())).await;
    is_refused(&format!("nbd://localhost:{port}/vol-1")).await;
    let process = nix::unistd::Pid::from_raw(launched.id().unwrap() as i32);
    nix::sys::signal::kill(process, nix::sys::signal::Signal::SIGTERM).unwrap();
    assert!(launched.wait().await.unwrap().success());
}

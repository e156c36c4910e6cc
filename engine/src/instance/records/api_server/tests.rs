use std::collections::VecDeque;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use super::*;

/// An API server with one Volume, `v`.
#[derive(Default)]
struct Fake {
    version: u64,
    record: Value,
    /// Answers to give instead, first one first.
    instead: VecDeque<u16>,
    /// What others write on the volume between a read and a write.
    disturbed: u32,
    asked_by: Vec<String>,
}

struct Place {
    records: ApiServerRecords,
    fake: Arc<Mutex<Fake>>,
    file: PathBuf,
    serving: tokio::task::JoinHandle<()>,
    _directory: tempfile::TempDir,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn place() -> Place {
    let directory = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let file = directory.path().join("api-server.json");
    let access = Access { url, namespace: "n".to_owned(), token: "hush".to_owned(), ..Access::default() };
    write(&file, &access);
    let fake = Arc::new(Mutex::new(Fake { version: 7, ..Fake::default() }));
    let shared = Arc::clone(&fake);
    let serving = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, Arc::clone(&shared)));
        }
    });
    Place { records: ApiServerRecords::new(&file), fake, file, serving, _directory: directory }
}

fn write(file: &Path, access: &Access) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::write(file, serde_json::to_vec(access).unwrap()).unwrap();
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o600)).unwrap();
}

async fn serve(stream: TcpStream, fake: Arc<Mutex<Fake>>) {
    let mut stream = BufReader::new(stream);
    loop {
        let (mut head, mut length, mut bearer) = (String::new(), 0, String::new());
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line).await.unwrap_or(0) == 0 {
                return;
            }
            if let Some((name, value)) = line.split_once(": ") {
                match name.to_lowercase().as_str() {
                    "content-length" => length = value.trim().parse().unwrap(),
                    "authorization" => bearer = value.trim().to_owned(),
                    _ => {}
                }
            }
            if line == "\r\n" {
                break;
            }
            if head.is_empty() {
                head = line;
            }
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await.unwrap();
        let (status, answer) = fake.lock().unwrap().answer(&head, &body, bearer);
        let answer = answer.to_string();
        let text = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\n\r\n{answer}", answer.len());
        if stream.write_all(text.as_bytes()).await.is_err() {
            return;
        }
    }
}

impl Fake {
    fn answer(&mut self, head: &str, body: &[u8], bearer: String) -> (u16, Value) {
        self.asked_by.push(bearer);
        if let Some(status) = self.instead.pop_front() {
            return (status, json!({"message": "not now"}));
        }
        if !head.contains("/apis/longhorn.io/v1beta2/namespaces/n/volumes/v") {
            return (404, Value::Null);
        }
        if head.starts_with("PATCH") {
            assert!(head.contains("/volumes/v/status "), "{head}");
            if self.disturbed > 0 {
                (self.disturbed, self.version) = (self.disturbed - 1, self.version + 1);
            }
            let patch: Value = serde_json::from_slice(body).unwrap();
            let seen = patch["metadata"]["resourceVersion"].as_str().unwrap();
            if seen.parse() != Ok(self.version) {
                return (409, json!({"message": "changed"}));
            }
            (self.version, self.record) = (self.version + 1, patch["status"]["controlRecord"].clone());
        }
        let metadata = json!({"uid": "u", "resourceVersion": self.version.to_string()});
        (200, json!({"metadata": metadata, "status": {"state": "attached", "controlRecord": self.record}}))
    }
}

fn record(epoch: u64, generation: u64) -> Record {
    let members = ["v-r-1".to_owned()].into();
    let (epoch, generation) = (Epoch(epoch), Generation(generation));
    Record { volume: "v".into(), epoch, generation, members, ..Record::default() }
}

#[tokio::test]
async fn only_the_one_who_saw_the_last_change_may_make_the_next() {
    let place = place().await;
    let records = &place.records;
    assert_eq!(records.get("v").await.unwrap(), None);
    let first = records.compare_and_set(Epoch(0), Generation(0), &record(1, 1)).await.unwrap();
    assert!(!first.incarnation.is_empty());
    assert_eq!(records.get("v").await.unwrap().as_ref(), Some(&first));
    let second = records.compare_and_set(Epoch(1), Generation(1), &record(2, 1)).await.unwrap();
    assert_eq!(second.incarnation, first.incarnation);
    let older = records.compare_and_set(Epoch(1), Generation(1), &record(1, 2)).await.unwrap_err();
    assert!(matches!(older, KeeperError::Conflict { found: Epoch(2), generation: Generation(1), .. }), "{older}");
    records.delete("v").await.unwrap();
    records.delete("v").await.unwrap();
    assert_eq!(records.get("v").await.unwrap(), None);
    assert!(place.fake.lock().unwrap().asked_by.iter().all(|bearer| bearer == "Bearer hush"));
}

#[tokio::test]
async fn what_others_write_on_the_volume_is_no_change_of_the_record() {
    let place = place().await;
    place.fake.lock().unwrap().disturbed = 3;
    let first = place.records.compare_and_set(Epoch(0), Generation(0), &record(1, 1)).await.unwrap();
    assert_eq!(place.records.get("v").await.unwrap(), Some(first));
    place.fake.lock().unwrap().disturbed = u32::MAX;
    let refused = place.records.compare_and_set(Epoch(1), Generation(1), &record(1, 2)).await.unwrap_err();
    assert!(matches!(refused, KeeperError::Unavailable(_)), "{refused}");
}

#[tokio::test]
async fn a_volume_that_is_gone_has_no_record_and_gets_none() {
    let place = place().await;
    let gone = Record { volume: "gone".into(), ..record(1, 1) };
    assert_eq!(place.records.get("gone").await.unwrap(), None);
    place.records.delete("gone").await.unwrap();
    let missing = place.records.compare_and_set(Epoch(0), Generation(0), &gone).await.unwrap_err();
    assert!(matches!(missing, KeeperError::Missing(_)), "{missing}");
    assert!(place.records.get("../v").await.is_err(), "a name becomes a part of an address");
}

#[tokio::test]
async fn silence_is_told_with_its_beginning_and_ends_by_itself() {
    let place = place().await;
    place.fake.lock().unwrap().instead = VecDeque::from([500, 503, 403]);
    let next = record(1, 1);
    let change = || place.records.compare_and_set(Epoch(0), Generation(0), &next);
    let first = change().await.unwrap_err().to_string();
    assert!(first.contains("does not answer since") && first.contains("not now"), "{first}");
    let begin = |text: &str| text.split(" since ").nth(1).unwrap().split(": ").next().unwrap().to_owned();
    let second = change().await.unwrap_err().to_string();
    assert_eq!(begin(&second), begin(&first));
    let refused = change().await.unwrap_err().to_string();
    assert!(refused.contains("has to be allowed") && !refused.contains("since"), "{refused}");
    change().await.unwrap();

    place.serving.abort();
    write(&place.file, &Access { url: "http://127.0.0.1:1".to_owned(), namespace: "n".into(), ..Access::default() });
    let away = place.records.get("v").await.unwrap_err().to_string();
    assert!(away.contains("does not answer since") && !away.contains("hush"), "{away}");
}

#[tokio::test]
async fn who_asks_stands_in_a_file_that_nobody_else_can_read() {
    use std::os::unix::fs::PermissionsExt;
    let place = place().await;
    std::fs::set_permissions(&place.file, std::fs::Permissions::from_mode(0o640)).unwrap();
    let open = place.records.get("v").await.unwrap_err().to_string();
    assert!(open.contains("others may read it"), "{open}");
    // A pod's token is renewed in its own file.
    let token = place.file.with_extension("token");
    let url = Access::read(&{
        std::fs::set_permissions(&place.file, std::fs::Permissions::from_mode(0o600)).unwrap();
        place.file.clone()
    })
    .unwrap()
    .url;
    write(&place.file, &Access { url, namespace: "n".into(), token_file: Some(token.clone()), ..Access::default() });
    for word in ["one", "two"] {
        std::fs::write(&token, format!("{word}\n")).unwrap();
        place.records.get("v").await.unwrap();
        assert_eq!(place.fake.lock().unwrap().asked_by.pop().unwrap(), format!("Bearer {word}"));
    }
    let printed = format!("{:?}", Access { token: "hush".into(), key: "hush".into(), ..Access::default() });
    assert!(!printed.contains("hush"), "{printed}");
}

//! `GET /v1/volumes/{name}/files?snapshot=…&path=…`, `GET /v1/backupvolumes/{name}/files?backup=…&path=…`

use aurochs_api::file::{BackupFilesQuestion, File, FilesQuestion};
use aurochs_api::schema::{Collection, Resource};
use aurochs_engine::backup::browse::{Entry, ImagePath, name_text};
use axum::extract::{OriginalUri, Path, Query, State};
use axum::http::{HeaderMap, Uri};
use axum::{Extension, Json};
use time::format_description::well_known::Rfc3339;

use crate::app::App;
use crate::auth::client::Client;
use crate::auth::require;
use crate::error::{ApiError, ErrorKind};
use crate::files::{self, Disk};
use crate::view::envelope;
use crate::web::request_url::RequestUrl;

const LIMIT_DEFAULT: u32 = 1000;
/// A page of more is slow for everybody.
const LIMIT_MAXIMUM: u32 = 10_000;

type Answer = Result<Json<Collection<Resource<File>>>, ApiError>;

/// Of a snapshot.
pub(crate) async fn of_snapshot(
    State(app): State<App>,
    url: RequestUrl,
    OriginalUri(uri): OriginalUri,
    Path(volume): Path<String>,
    Query(question): Query<FilesQuestion>,
    Extension(client): Extension<Client>,
    headers: HeaderMap,
) -> Answer {
    require::refuse_foreign(&headers, &client)?;
    let FilesQuestion { snapshot, path, partition, after, limit } = question;
    let asked = Asked::new(&path, partition, after, limit)?;
    let disk = super::snapshot(&app, &volume, &snapshot).await?;
    answer(&app, &Address { url, uri }, disk, asked).await
}

/// Of a backup.
pub(crate) async fn of_backup(
    State(app): State<App>,
    url: RequestUrl,
    OriginalUri(uri): OriginalUri,
    Path(volume): Path<String>,
    Query(question): Query<BackupFilesQuestion>,
    Extension(client): Extension<Client>,
    headers: HeaderMap,
) -> Answer {
    require::refuse_foreign(&headers, &client)?;
    let BackupFilesQuestion { backup, path, partition, after, limit } = question;
    let asked = Asked::new(&path, partition, after, limit)?;
    let disk = super::backup(&app, &volume, &backup).await?;
    answer(&app, &Address { url, uri }, disk, asked).await
}

/// The address of the list, as links name it and as it came.
struct Address {
    url: RequestUrl,
    uri: Uri,
}

/// What is wanted of a directory.
struct Asked {
    path: ImagePath,
    partition: Option<u32>,
    after: Option<Vec<u8>>,
    limit: usize,
}

impl Asked {
    fn new(path: &str, partition: Option<u32>, after: String, limit: Option<u32>) -> Result<Self, ApiError> {
        let limit = limit.unwrap_or(LIMIT_DEFAULT);
        if limit == 0 || limit > LIMIT_MAXIMUM {
            let next_step = format_args!("Give a number from 1 to {LIMIT_MAXIMUM}.");
            return Err(ApiError::new(ErrorKind::Invalid, format_args!("limit can't be {limit}"), next_step));
        }
        let after = (!after.is_empty()).then(|| name_text::meant(&after));
        Ok(Self { path: super::path(path)?, partition, after, limit: usize::try_from(limit).unwrap_or(0) })
    }
}

/// A directory in the order of its names, page by page: the link `next` leads to the next one.
async fn answer(app: &App, address: &Address, disk: Disk, asked: Asked) -> Answer {
    let Address { url, uri } = address;
    let Asked { path, partition, after, limit } = asked;
    let (directory, place) = (path.clone(), app.files.place().await?);
    let listing = files::look(place, disk, partition, move |browser| browser.list(&directory, after.as_deref(), limit));
    let listing = listing.await?;
    let last = listing.entries.last().filter(|_| listing.has_more).map(|entry| text(&entry.name));
    let data = listing.entries.into_iter().map(|entry| resource(url, uri, &path, entry)).collect();
    let mut list = envelope::collection("file", url, data);
    if let Some(last) = last {
        let next = with(uri.query().unwrap_or_default(), "after", &last);
        list.links.insert("next".to_owned(), format!("{}?{next}", url.current()));
    }
    Ok(Json(list))
}

/// A file, with a link to what is below it, or in it.
fn resource(url: &RequestUrl, uri: &Uri, directory: &ImagePath, entry: Entry) -> Resource<File> {
    let path = directory.join(&entry.name).to_string();
    let query = with(uri.query().unwrap_or_default(), "path", &path);
    let query = query.split('&').filter(|pair| !pair.starts_with("after=") && !pair.starts_with("limit="));
    let query = query.collect::<Vec<_>>().join("&");
    let (here, file) = (url.current(), file(path, entry));
    let mut links = std::collections::BTreeMap::new();
    links.insert("content".to_owned(), format!("{here}/content?{query}"));
    let own = if file.kind == "directory" { format!("{here}?{query}") } else { format!("{here}/content?{query}") };
    links.insert("self".to_owned(), own);
    Resource { id: file.path.clone(), kind: "file".to_owned(), links, actions: Default::default(), data: file }
}

fn file(path: String, entry: Entry) -> File {
    let (name, target) = (text(&entry.name), entry.target.as_deref().map(text).unwrap_or_default());
    match entry.node {
        Ok(node) => File {
            name,
            path,
            kind: node.kind.word().to_owned(),
            size: node.size,
            mode: format!("{:04o}", node.mode),
            uid: node.uid,
            gid: node.gid,
            modified: node.modified_at().and_then(|at| at.format(&Rfc3339).ok()).unwrap_or_default(),
            target,
            problem: String::new(),
        },
        Err(problem) => File { name, path, problem, ..File::default() },
    }
}

fn text(bytes: &[u8]) -> String {
    name_text::shown(bytes)
}

/// The query with another value for one of its fields.
fn with(query: &str, field: &str, value: &str) -> String {
    let keeps = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'/');
    let encode = |byte: u8| if keeps(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    let value: String = value.bytes().map(encode).collect();
    let others = query.split('&').filter(|pair| !pair.is_empty() && pair.split('=').next() != Some(field));
    let others: String = others.map(|pair| format!("{pair}&")).collect();
    format!("{others}{field}={value}")
}

#[cfg(test)]
mod tests {
    use axum::extract::Query;

    use super::*;

    #[test]
    fn a_page_leads_to_the_next() {
        assert_eq!(with("snapshot=s&path=/a", "after", "x y&z"), "snapshot=s&path=/a&after=x%20y%26z");
        assert_eq!(with("after=a&snapshot=s", "after", "b"), "snapshot=s&after=b");
        assert_eq!(with("", "path", "/"), "path=/");
    }

    /// Names are bytes: a page behind one that is no UTF-8 begins right behind it, and its link leads to it.
    #[test]
    fn names_that_are_no_text_lead_to_the_next_page_and_to_themselves() {
        for name in [&b"caf\xe9"[..], b"\xff\xfe", "\u{efe9}".as_bytes(), "ä &=?".as_bytes()] {
            let uri: axum::http::Uri = format!("/?{}", with("path=/", "after", &text(name))).parse().unwrap();
            let asked = Query::<FilesQuestion>::try_from_uri(&uri).unwrap();
            assert_eq!(name_text::meant(&asked.after), name);
            let path = ImagePath::default().join(b"d\xe9").join(name).to_string();
            let uri: axum::http::Uri = format!("/?{}", with("", "path", &path)).parse().unwrap();
            let asked = Query::<FilesQuestion>::try_from_uri(&uri).unwrap();
            let found = super::super::path(&asked.path).unwrap();
            assert_eq!(found.names(), [b"d\xe9".to_vec(), name.to_vec()]);
        }
    }
}

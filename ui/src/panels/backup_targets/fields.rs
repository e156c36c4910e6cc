//! The form of a target: kind, the parts that make its address, and the credentials that the kind asks for.
//!
//! Credentials come in and never go out: the manager tells only which names are set. So a change leaves them as they are
//! unless all of them are given anew.

use serde_json::{Map, Value, json};

use crate::components::form::{Field, Values};
use crate::live::Thing;
use crate::model::target_address::{Parts, Place};
use crate::words::tr;

/// Longhorn's default.
const POLL_SECONDS: i64 = 300;
const POLL_MAXIMUM: i64 = 365 * 86_400;
const NAME_LENGTH_MAXIMUM: usize = 63;

/// Names of credentials by the key of their field, which is the name.
const S3: [&str; 8] = [
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_ENDPOINTS",
    "AWS_CERT",
    "VIRTUAL_HOSTED_STYLE",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
];
const AZURE: [&str; 7] = [
    "AZBLOB_ACCOUNT_NAME",
    "AZBLOB_ACCOUNT_KEY",
    "AZBLOB_ENDPOINT",
    "AZBLOB_CERT",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
];
const CIFS: [&str; 2] = ["CIFS_USERNAME", "CIFS_PASSWORD"];

/// Of a new target, or of one that is there.
pub(super) fn fields(target: Option<&Thing>) -> Vec<Field> {
    let address = target.map(|target| target.text("backupTargetURL")).unwrap_or_default();
    // A target without an address begins with what most people have.
    let (place, parts) = if address.is_empty() { (Place::S3, Parts::default()) } else { Place::read(address) };
    let mut fields = Vec::new();
    if target.is_none() {
        fields.push(Field::text("name", "Name").required().check(check_name));
    }
    fields.push(Field::select("place", "Kind", places()).value(place.key()));
    fields.extend(parts_of_address(&parts, address));
    // The names are known when the target was read for the first time, that there are some at once.
    let kept = target.is_some_and(|target| {
        !target.text("credentialSecret").is_empty() || !target.texts("credentialKeys").is_empty()
    });
    if kept {
        fields.push(
            Field::toggle("replace", "Replace the credentials")
                .hint("Those that are kept are never shown. New ones replace all of them.")
                .when(wants_credentials),
        );
    }
    fields.extend(credentials(kept));
    let poll = target.map_or(POLL_SECONDS, |target| seconds(target.text("pollInterval")));
    fields.push(
        Field::number("pollInterval", "Read it every (seconds)", 0, POLL_MAXIMUM)
            .value(poll)
            .hint("0 reads it only when asked for."),
    );
    fields
}

fn places() -> Vec<(String, String)> {
    let words = |place| match place {
        Place::S3 => tr("S3 or compatible"),
        Place::Nfs => tr("NFS"),
        Place::Cifs => tr("CIFS (SMB)"),
        Place::Azure => tr("Azure Blob Storage"),
        Place::Directory => tr("Directory"),
        Place::Written => tr("Address by hand"),
    };
    Place::ALL.map(|place| (place.key().to_owned(), words(place).to_owned())).to_vec()
}

fn is(values: &Values, place: Place) -> bool {
    Place::from_key(&values.text("place")) == place
}

fn parts_of_address(parts: &Parts, address: &str) -> Vec<Field> {
    let Parts { host, second, path, options } = parts;
    let (host, second, path, options) = (host.as_str(), second.as_str(), path.as_str(), options.as_str());
    let s3: fn(&Values) -> bool = |values| is(values, Place::S3);
    let nfs: fn(&Values) -> bool = |values| is(values, Place::Nfs);
    let cifs: fn(&Values) -> bool = |values| is(values, Place::Cifs);
    let azure: fn(&Values) -> bool = |values| is(values, Place::Azure);
    let directory: fn(&Values) -> bool = |values| is(values, Place::Directory);
    let written: fn(&Values) -> bool = |values| is(values, Place::Written);
    let suffix = if second.is_empty() { "core.windows.net" } else { second };
    vec![
        Field::text("bucket", "Bucket").required().value(host).when(s3).check(no_slash),
        Field::text("region", "Region")
            .required()
            .value(second)
            .when(s3)
            .hint("Such as eu-central-1; servers of your own take any.")
            .check(no_slash),
        Field::text("container", "Container").required().value(host).when(azure).check(no_slash),
        Field::text("suffix", "Endpoint suffix").required().value(suffix).when(azure).check(no_slash),
        Field::text("nfsServer", "Server").required().value(host).when(nfs).check(no_slash),
        Field::text("nfsPath", "Exported path").required().value(path).when(nfs),
        Field::text("cifsServer", "Server").required().value(host).when(cifs).check(no_slash),
        Field::text("share", "Share").required().value(second).when(cifs).check(no_slash),
        Field::text("cifsPath", "Folder in the share").value(path).when(cifs),
        Field::text("objectPath", "Folder")
            .value(path)
            .when(|values| is(values, Place::S3) || is(values, Place::Azure))
            .hint("Several installations can share a bucket in folders of their own."),
        Field::text("directory", "Directory")
            .required()
            .value(if path.is_empty() { String::new() } else { format!("/{path}") })
            .when(directory)
            .check(absolute)
            .hint("On every node, and there already. Tests and single machines; it is no second place."),
        Field::text("url", "Address").value(address).when(written).hint("Empty for a target without an address."),
        Field::text("nfsOptions", "Mount options")
            .value(options)
            .when(nfs)
            .advanced()
            .hint("With commas between them; they replace all of the usual ones."),
        Field::text("cifsOptions", "Mount options")
            .value(options)
            .when(cifs)
            .advanced()
            .hint("With commas between them; they replace all of the usual ones."),
    ]
}

/// Where others are kept, these are shown only to replace all of them.
fn credentials(kept: bool) -> Vec<Field> {
    // What a form is made of can't know anything but its values: one condition for each of the two cases.
    type When = fn(&Values) -> bool;
    let pick = |anew: When, replaced: When| if kept { replaced } else { anew };
    let s3 = pick(|values| is(values, Place::S3), |values| is(values, Place::S3) && values.flag("replace"));
    let azure = pick(|values| is(values, Place::Azure), |values| is(values, Place::Azure) && values.flag("replace"));
    let cifs = pick(|values| is(values, Place::Cifs), |values| is(values, Place::Cifs) && values.flag("replace"));
    let web = pick(is_web, |values| is_web(values) && values.flag("replace"));
    vec![
        Field::text("AWS_ACCESS_KEY_ID", "Access key")
            .when(s3)
            .check(with_secret)
            .hint("Without keys the machine's own cloud identity is used."),
        Field::secret("AWS_SECRET_ACCESS_KEY", "Secret key").when(s3).check(with_key),
        Field::text("AWS_ENDPOINTS", "Server")
            .when(s3)
            .hint("Empty for AWS; else its address, such as https://minio.lan:9000.")
            .check(web_address),
        Field::toggle("VIRTUAL_HOSTED_STYLE", "The bucket is part of the server's name").when(s3).advanced(),
        Field::area("AWS_CERT", "Certificate (PEM)")
            .when(s3)
            .advanced()
            .hint("Of a server that no known authority vouches for."),
        Field::text("AZBLOB_ACCOUNT_NAME", "Account").required().when(azure),
        Field::secret("AZBLOB_ACCOUNT_KEY", "Account key").required().when(azure),
        Field::text("AZBLOB_ENDPOINT", "Server").when(azure).advanced().check(web_address),
        Field::area("AZBLOB_CERT", "Certificate (PEM)").when(azure).advanced(),
        Field::text("CIFS_USERNAME", "User").when(cifs),
        Field::secret("CIFS_PASSWORD", "Password").when(cifs),
        Field::text("HTTP_PROXY", "Proxy for http").when(web).advanced(),
        Field::text("HTTPS_PROXY", "Proxy for https").when(web).advanced(),
        Field::text("NO_PROXY", "Hosts without a proxy").when(web).advanced(),
    ]
}

fn is_web(values: &Values) -> bool {
    is(values, Place::S3) || is(values, Place::Azure)
}

fn wants_credentials(values: &Values) -> bool {
    is_web(values) || is(values, Place::Cifs)
}

/// The address that the fields make.
pub(super) fn address(values: &Values) -> String {
    let place = Place::from_key(&values.text("place"));
    let text = |key: &str| values.text(key).trim().to_owned();
    let parts = match place {
        Place::S3 => {
            Parts { host: text("bucket"), second: text("region"), path: text("objectPath"), options: String::new() }
        }
        Place::Azure => {
            Parts { host: text("container"), second: text("suffix"), path: text("objectPath"), options: String::new() }
        }
        Place::Nfs => {
            Parts { host: text("nfsServer"), path: text("nfsPath"), options: text("nfsOptions"), second: String::new() }
        }
        Place::Cifs => Parts {
            host: text("cifsServer"),
            second: text("share"),
            path: text("cifsPath"),
            options: text("cifsOptions"),
        },
        Place::Directory => Parts { path: text("directory"), ..Parts::default() },
        Place::Written => return text("url"),
    };
    place.write(&parts)
}

/// Body of a create, a change and a test. Without `credentials` those that are kept stay.
pub(super) fn body(values: &Values, target: Option<&Thing>) -> Value {
    let mut body = json!({"backupTargetURL": address(values)});
    let seconds = values.at("pollInterval").and_then(Value::as_i64).unwrap_or(POLL_SECONDS);
    body["pollInterval"] = json!(seconds.to_string());
    match target {
        Some(target) => {
            body["name"] = json!(target.text("name"));
            body["credentialSecret"] = json!(target.text("credentialSecret"));
        }
        None => body["name"] = json!(values.text("name").trim()),
    }
    let given = given(values);
    if values.flag("replace") || !given.is_empty() {
        body["credentials"] = Value::Object(given);
    }
    body
}

fn given(values: &Values) -> Map<String, Value> {
    let names: &[&str] = match Place::from_key(&values.text("place")) {
        Place::S3 => &S3,
        Place::Azure => &AZURE,
        Place::Cifs => &CIFS,
        _ => &[],
    };
    let value = |name: &str| match values.at(name)? {
        Value::Bool(true) => Some("true".to_owned()),
        Value::String(text) if !text.trim().is_empty() => Some(text.trim().to_owned()),
        _ => None,
    };
    names.iter().filter_map(|name| Some(((*name).to_owned(), json!(value(name)?)))).collect()
}

/// Go's text of a duration (`5m0s`, `1h30m`) in whole seconds.
pub(super) fn seconds(duration: &str) -> i64 {
    let mut sum = 0_i64;
    let mut number = String::new();
    for character in duration.chars() {
        let unit = match character {
            'h' => 3600,
            'm' => 60,
            's' => 1,
            _ => {
                number.push(character);
                continue;
            }
        };
        sum = sum.saturating_add(number.parse::<i64>().unwrap_or(0).saturating_mul(unit));
        number.clear();
    }
    // Longhorn's bodies have plain seconds.
    sum.saturating_add(number.parse::<i64>().unwrap_or(0))
}

fn check_name(name: &str, _: &Values) -> Result<(), String> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
    let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    let good = name.len() <= NAME_LENGTH_MAXIMUM
        && name.chars().all(plain)
        && edge(name.chars().next())
        && edge(name.chars().last());
    if good {
        Ok(())
    } else {
        Err(tr("Give lower-case letters, digits, hyphens and dots, with a letter or digit at both ends.").to_owned())
    }
}

fn no_slash(text: &str, _: &Values) -> Result<(), String> {
    let wrong = text.contains(['/', '@', '?']) || text.contains(char::is_whitespace);
    if wrong { Err(tr("It can't have /, @, ? or blanks.").to_owned()) } else { Ok(()) }
}

fn absolute(path: &str, _: &Values) -> Result<(), String> {
    if path.trim().starts_with('/') { Ok(()) } else { Err(tr("Give the whole path, from / on.").to_owned()) }
}

fn web_address(address: &str, _: &Values) -> Result<(), String> {
    let good = address.is_empty() || address.starts_with("http://") || address.starts_with("https://");
    if good { Ok(()) } else { Err(tr("Begin with http:// or https://.").to_owned()) }
}

fn with_secret(_: &str, values: &Values) -> Result<(), String> {
    both_or_none(values, "AWS_SECRET_ACCESS_KEY")
}

fn with_key(_: &str, values: &Values) -> Result<(), String> {
    both_or_none(values, "AWS_ACCESS_KEY_ID")
}

/// What is empty is not checked: the other one says that it is missing.
fn both_or_none(values: &Values, other: &str) -> Result<(), String> {
    if values.text(other).trim().is_empty() { Err(tr("Give both keys, or none.").to_owned()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_of_go() {
        for (text, whole) in [("5m0s", 300), ("1h30m0s", 5400), ("0s", 0), ("300", 300), ("", 0), ("x", 0), ("45s", 45)]
        {
            assert_eq!(seconds(text), whole, "{text}");
        }
    }

    #[test]
    fn names() {
        let good = |name: &str| check_name(name, &Values::default()).is_ok();
        assert!(good("offsite-2.eu") && good("a"));
        assert!(!good("") && !good("-a") && !good("A") && !good("a b") && !good(&"a".repeat(64)));
    }
}

//! Options of the handshake: bytes of the client to a typed option, or to a refusal that says why.

use bytes::Buf;

use super::protocol::{MAX_STRING_BYTES, option_code, option_reply};

/// What a client asks for before data flows.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ClientOption {
    /// Old way into transmission: no error reply exists, only hanging up.
    ExportName {
        name: Vec<u8>,
    },
    Abort,
    List,
    /// What is the export like?
    Info(ExportQuery),
    /// The same, and on success into transmission.
    Go(ExportQuery),
    StartTls,
    StructuredReply,
    ExtendedHeaders,
    ListMetaContext(ContextQuery),
    SetMetaContext(ContextQuery),
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct ExportQuery {
    pub(super) name: String,
    /// Numbers of [`super::protocol::info`]; unknown ones are ignored.
    pub(super) wanted: Vec<u16>,
}

/// Which metadata contexts of an export are meant.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ContextQuery {
    pub(super) name: String,
    pub(super) queries: Vec<String>,
}

/// An error reply to one option; haggling goes on.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) code: u32,
    pub(super) message: String,
}

impl Refusal {
    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self { code: option_reply::ERR_INVALID, message: message.into() }
    }

    pub(super) fn unknown_export(name: &str) -> Self {
        Self { code: option_reply::ERR_UNKNOWN, message: format!("no export is called {name:?} here") }
    }

    pub(super) fn policy(message: impl Into<String>) -> Self {
        Self { code: option_reply::ERR_POLICY, message: message.into() }
    }

    pub(super) fn tls_required() -> Self {
        let message = "this address takes encrypted clients only: start TLS first (nbds://)".to_owned();
        Self { code: option_reply::ERR_TLS_REQD, message }
    }

    pub(super) fn extended_already() -> Self {
        let message = "extended headers are negotiated, which take the place of structured replies".to_owned();
        Self { code: option_reply::ERR_EXT_HEADER_REQD, message }
    }

    fn unsupported(message: impl Into<String>) -> Self {
        Self { code: option_reply::ERR_UNSUP, message: message.into() }
    }
}

/// Reads the option `code` with its payload `data`.
pub(super) fn parse(code: u32, data: &[u8]) -> Result<ClientOption, Refusal> {
    match code {
        option_code::EXPORT_NAME => Ok(ClientOption::ExportName { name: data.to_vec() }),
        option_code::ABORT => Ok(ClientOption::Abort),
        option_code::LIST => without_data("LIST", data, ClientOption::List),
        option_code::STARTTLS => without_data("STARTTLS", data, ClientOption::StartTls),
        option_code::INFO => export_query(data).map(ClientOption::Info),
        option_code::GO => export_query(data).map(ClientOption::Go),
        option_code::STRUCTURED_REPLY => without_data("STRUCTURED_REPLY", data, ClientOption::StructuredReply),
        option_code::EXTENDED_HEADERS => without_data("EXTENDED_HEADERS", data, ClientOption::ExtendedHeaders),
        option_code::LIST_META_CONTEXT => context_query(data).map(ClientOption::ListMetaContext),
        option_code::SET_META_CONTEXT => context_query(data).map(ClientOption::SetMetaContext),
        other => Err(Refusal::unsupported(format!("option {other} is not known here"))),
    }
}

fn without_data(name: &str, data: &[u8], option: ClientOption) -> Result<ClientOption, Refusal> {
    if data.is_empty() {
        Ok(option)
    } else {
        Err(Refusal::invalid(format!("{name} takes no data, {} bytes came", data.len())))
    }
}

/// Name (length u32, bytes), count u16, that many u16.
fn export_query(mut data: &[u8]) -> Result<ExportQuery, Refusal> {
    let name = string(&mut data)?;
    let count = data.try_get_u16().map_err(|_| Refusal::invalid("the number of information requests is missing"))?;
    if data.len() != usize::from(count) * 2 {
        return Err(Refusal::invalid(format!(
            "{count} information requests were announced, {} bytes of them came",
            data.len()
        )));
    }
    let wanted = data.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect();
    Ok(ExportQuery { name, wanted })
}

/// Name, count u32, that many strings. Each takes at least the four bytes of its length, so the data bounds their number.
fn context_query(mut data: &[u8]) -> Result<ContextQuery, Refusal> {
    let name = string(&mut data)?;
    let count = data.try_get_u32().map_err(|_| Refusal::invalid("the number of queries is missing"))?;
    let queries = (0..count).map(|_| string(&mut data)).collect::<Result<Vec<_>, _>>()?;
    if data.is_empty() {
        Ok(ContextQuery { name, queries })
    } else {
        Err(Refusal::invalid(format!("{} bytes are left over after the queries", data.len())))
    }
}

fn string(data: &mut &[u8]) -> Result<String, Refusal> {
    let length = data.try_get_u32().map_err(|_| Refusal::invalid("the length of a string is missing"))?;
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    if length > MAX_STRING_BYTES {
        return Err(Refusal::invalid(format!("a string of {length} bytes, at most {MAX_STRING_BYTES} are allowed")));
    }
    let Some((text, rest)) = data.split_at_checked(length) else {
        return Err(Refusal::invalid(format!("a string of {length} bytes was announced, {} came", data.len())));
    };
    *data = rest;
    String::from_utf8(text.to_vec()).map_err(|_| Refusal::invalid("a string is not UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn query(name: &str, wanted: &[u16]) -> Vec<u8> {
        let mut data = u32::try_from(name.len()).unwrap().to_be_bytes().to_vec();
        data.extend_from_slice(name.as_bytes());
        data.extend_from_slice(&u16::try_from(wanted.len()).unwrap().to_be_bytes());
        wanted.iter().for_each(|number| data.extend_from_slice(&number.to_be_bytes()));
        data
    }

    #[test]
    fn go_carries_name_and_wishes() {
        let expected = ExportQuery { name: "vol-1".into(), wanted: vec![3, 1] };
        assert_eq!(parse(option_code::GO, &query("vol-1", &[3, 1])), Ok(ClientOption::Go(expected)));
    }

    #[test]
    fn malformed_options_are_refused_with_the_right_code() {
        let mut short = query("vol-1", &[3]);
        short.pop();
        let mut wrong_length = query("vol-1", &[]);
        wrong_length[3] = 200;
        for (code, data) in [
            (option_code::GO, short),
            (option_code::INFO, wrong_length),
            (option_code::GO, vec![]),
            (option_code::LIST, vec![0]),
            (option_code::STRUCTURED_REPLY, vec![1]),
            (option_code::EXTENDED_HEADERS, vec![1]),
            (option_code::STARTTLS, vec![1]),
            (option_code::SET_META_CONTEXT, vec![0, 0, 0, 0, 0, 0, 0, 1]),
        ] {
            assert_eq!(parse(code, &data).unwrap_err().code, option_reply::ERR_INVALID, "option {code}");
        }
        assert_eq!(parse(4711, &[]).unwrap_err().code, option_reply::ERR_UNSUP);
    }

    #[test]
    fn contexts_are_asked_for_by_name() {
        let data = [&[0, 0, 0, 1][..], b"v", &[0, 0, 0, 2, 0, 0, 0, 5], b"base:", &[0, 0, 0, 3], b"x:y"].concat();
        let expected = ContextQuery { name: "v".into(), queries: vec!["base:".into(), "x:y".into()] };
        assert_eq!(parse(option_code::LIST_META_CONTEXT, &data), Ok(ClientOption::ListMetaContext(expected)));
        let many = [&[0, 0, 0, 0][..], &[0xff; 4], &[0; 12]].concat();
        assert_eq!(parse(option_code::LIST_META_CONTEXT, &many).unwrap_err().code, option_reply::ERR_INVALID);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(code in 0u32..12, data in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = parse(code, &data);
        }
    }
}

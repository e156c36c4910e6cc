//! Fixed newstyle handshake: from a fresh connection to transmission, or to the end.
//!
//! ```text
//!   greet ──► haggle ──┬──► Transmission
//!               ▲      ├──► StartTls ── the connection is encrypted, everything negotiated is forgotten ──► haggle
//!               └──────┘    Ended
//! ```

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::context;
use super::export::{ANNOUNCED_PAYLOAD_BYTES, Export, MINIMUM_BLOCK_BYTES, PREFERRED_BLOCK_BYTES};
use super::option::{self, ClientOption, ContextQuery, ExportQuery, Refusal};
use super::protocol::{
    Headers, OPTION_MAGIC, OPTION_REPLY_MAGIC, SERVER_MAGIC, handshake_flag, info, option_code, option_reply,
};

/// Largest option payload that is looked at: a name and some queries fit many times. Larger ones are skipped
/// without being stored and refused as too big.
const MAX_OPTION_BYTES: u32 = 64 << 10;
/// After so many options a client is not haggling but wasting our time.
const MAX_OPTIONS: u32 = 256;

/// How the handshake ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Data may flow.
    Transmission(Negotiated),
    /// The client waits for the TLS handshake.
    StartTls,
    /// The client left politely.
    Ended,
}

/// What requests and replies look like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Negotiated {
    pub(super) headers: Headers,
    /// The client may ask where data is.
    pub(super) allocation: bool,
}

/// Whether this connection is encrypted, or could be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Security {
    /// Not encrypted, and there is no TLS here.
    Plain,
    /// Not encrypted; the client may start TLS.
    TlsOffered,
    /// Not encrypted, and good for nothing until it is.
    TlsRequired,
    Encrypted,
}

/// What the client said to the greeting.
#[derive(Clone, Copy, Debug)]
pub(super) struct Greeted {
    no_zeroes: bool,
}

/// Says who we are; first thing on a connection, and not said again after TLS was started.
pub(super) async fn greet<R, W>(reader: &mut R, writer: &mut W) -> io::Result<Greeted>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let offered = handshake_flag::FIXED_NEWSTYLE | handshake_flag::NO_ZEROES;
    let mut greeting = Vec::with_capacity(18);
    greeting.extend_from_slice(&SERVER_MAGIC.to_be_bytes());
    greeting.extend_from_slice(&OPTION_MAGIC.to_be_bytes());
    greeting.extend_from_slice(&offered.to_be_bytes());
    writer.write_all(&greeting).await?;
    writer.flush().await?;
    let flags = reader.read_u32().await?;
    if flags & !u32::from(offered) != 0 {
        return Err(violation(format!("the client set unknown handshake flags: {flags:#x}")));
    }
    Ok(Greeted { no_zeroes: flags & u32::from(handshake_flag::NO_ZEROES) != 0 })
}

/// Answers options over `reader` and `writer`; an error means that the connection is of no use any more.
pub(super) async fn haggle<R, W>(
    reader: &mut R,
    writer: &mut W,
    export: &Export,
    security: Security,
    greeted: Greeted,
) -> io::Result<Outcome>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let mut haggling = Haggling { reader, writer, export, security, greeted, headers: Headers::Simple, context: None };
    for _ in 0..MAX_OPTIONS {
        if let Some(outcome) = haggling.next_option().await? {
            return Ok(outcome);
        }
    }
    Err(violation(format!("{MAX_OPTIONS} options without entering transmission")))
}

struct Haggling<'a, R, W> {
    reader: &'a mut R,
    writer: &'a mut W,
    export: &'a Export,
    security: Security,
    greeted: Greeted,
    headers: Headers,
    /// The name under which the client selected the metadata context: it holds for the same name only.
    context: Option<String>,
}

impl<R: AsyncRead + Unpin, W: AsyncWrite + Unpin> Haggling<'_, R, W> {
    /// Reads and answers one option. `Some`: the handshake is over.
    async fn next_option(&mut self) -> io::Result<Option<Outcome>> {
        let magic = self.reader.read_u64().await?;
        if magic != OPTION_MAGIC {
            return Err(violation(format!("an option starts with {magic:#018x} in place of IHAVEOPT")));
        }
        let code = self.reader.read_u32().await?;
        let length = self.reader.read_u32().await?;
        let answer = match self.option(code, length).await? {
            Ok(option) => self.answer(code, option).await?,
            Err(refusal) => Err(refusal),
        };
        let outcome = match answer {
            Ok(outcome) => outcome,
            Err(refusal) => {
                tracing::debug!(code, reason = refusal.message, "NBD option refused");
                self.reply(code, refusal.code, refusal.message.as_bytes()).await?;
                None
            }
        };
        self.writer.flush().await?;
        Ok(outcome)
    }

    async fn option(&mut self, code: u32, length: u32) -> io::Result<Result<ClientOption, Refusal>> {
        if length > MAX_OPTION_BYTES {
            if code == option_code::EXPORT_NAME {
                return Err(violation(format!(
                    "EXPORT_NAME, which has no error reply, came with a name of {length} bytes"
                )));
            }
            skip(self.reader, u64::from(length)).await?;
            return Ok(Err(Refusal {
                code: option_reply::ERR_TOO_BIG,
                message: format!("{length} bytes of data, at most {MAX_OPTION_BYTES} are looked at"),
            }));
        }
        let mut data = vec![0; length as usize];
        self.reader.read_exact(&mut data).await?;
        let option = option::parse(code, &data);
        if self.security == Security::TlsRequired {
            return match option {
                Ok(ClientOption::StartTls | ClientOption::Abort) => Ok(option),
                Ok(ClientOption::ExportName { .. }) => Err(violation("a client without TLS asked for data".to_owned())),
                _ => Ok(Err(Refusal::tls_required())),
            };
        }
        Ok(option)
    }

    async fn answer(&mut self, code: u32, option: ClientOption) -> io::Result<Result<Option<Outcome>, Refusal>> {
        let outcome = match option {
            ClientOption::ExportName { name } => return self.export_name(&name).await.map(|over| Ok(Some(over))),
            ClientOption::Abort => {
                // A client may hang up without waiting for this answer; it is gone either way.
                let _ = self.reply(code, option_reply::ACK, &[]).await;
                return Ok(Ok(Some(Outcome::Ended)));
            }
            ClientOption::List => {
                let mut entry = (self.export.name.len() as u32).to_be_bytes().to_vec();
                entry.extend_from_slice(self.export.name.as_bytes());
                self.reply(code, option_reply::SERVER, &entry).await?;
                None
            }
            ClientOption::Info(query) | ClientOption::Go(query) if !self.export.answers_to(&query.name) => {
                return Ok(Err(Refusal::unknown_export(&query.name)));
            }
            ClientOption::Info(query) => {
                self.describe(code, &query).await?;
                None
            }
            ClientOption::Go(query) => {
                self.describe(code, &query).await?;
                Some(self.transmission(&query.name))
            }
            ClientOption::StartTls => match self.tls_refusal() {
                Some(refusal) => return Ok(Err(refusal)),
                None => Some(Outcome::StartTls),
            },
            ClientOption::StructuredReply if self.headers == Headers::Extended => {
                return Ok(Err(Refusal::extended_already()));
            }
            ClientOption::StructuredReply => {
                self.headers = Headers::Structured;
                None
            }
            ClientOption::ExtendedHeaders => {
                self.headers = Headers::Extended;
                None
            }
            ClientOption::ListMetaContext(query) => match self.context_refusal(&query) {
                Some(refusal) => return Ok(Err(refusal)),
                None => {
                    self.show_context(code, 0, context::is_listed(&query.queries)).await?;
                    None
                }
            },
            ClientOption::SetMetaContext(query) => {
                // Whatever becomes of it, what was selected before is not any more.
                self.context = None;
                if let Some(refusal) = self.context_refusal(&query) {
                    return Ok(Err(refusal));
                }
                let is_selected = context::is_selected(&query.queries);
                self.show_context(code, context::ALLOCATION_ID, is_selected).await?;
                self.context = is_selected.then_some(query.name);
                None
            }
        };
        self.reply(code, option_reply::ACK, &[]).await?;
        Ok(Ok(outcome))
    }

    fn transmission(&self, name: &str) -> Outcome {
        let allocation = self.context.as_deref() == Some(name);
        Outcome::Transmission(Negotiated { headers: self.headers, allocation })
    }

    fn tls_refusal(&self) -> Option<Refusal> {
        match self.security {
            Security::TlsOffered | Security::TlsRequired => None,
            Security::Encrypted => Some(Refusal::invalid("TLS was started already")),
            Security::Plain => {
                Some(Refusal::policy("TLS is not offered here: use the unix socket or a protected network"))
            }
        }
    }

    fn context_refusal(&self, query: &ContextQuery) -> Option<Refusal> {
        if !self.headers.has_chunks() {
            Some(Refusal::invalid("metadata contexts need structured replies: negotiate those first"))
        } else if !self.export.answers_to(&query.name) {
            Some(Refusal::unknown_export(&query.name))
        } else {
            None
        }
    }

    async fn show_context(&mut self, code: u32, number: u32, is_wanted: bool) -> io::Result<()> {
        if !is_wanted {
            return Ok(());
        }
        let mut data = number.to_be_bytes().to_vec();
        data.extend_from_slice(context::BASE_ALLOCATION.as_bytes());
        self.reply(code, option_reply::META_CONTEXT, &data).await
    }

    async fn export_name(&mut self, name: &[u8]) -> io::Result<Outcome> {
        let Some(name) = std::str::from_utf8(name).ok().filter(|name| self.export.answers_to(name)) else {
            return Err(violation(format!("no export is called {:?} here", String::from_utf8_lossy(name))));
        };
        if self.headers == Headers::Extended {
            return Err(violation("EXPORT_NAME came after extended headers, which need GO".to_owned()));
        }
        let mut answer = self.export.size_bytes.to_be_bytes().to_vec();
        answer.extend_from_slice(&self.export.transmission_flags(self.headers).to_be_bytes());
        if !self.greeted.no_zeroes {
            answer.resize(answer.len() + 124, 0);
        }
        self.writer.write_all(&answer).await?;
        Ok(self.transmission(name))
    }

    async fn describe(&mut self, code: u32, query: &ExportQuery) -> io::Result<()> {
        let mut export = self.export.size_bytes.to_be_bytes().to_vec();
        export.extend_from_slice(&self.export.transmission_flags(self.headers).to_be_bytes());
        self.inform(code, info::EXPORT, &export).await?;
        let sizes = [MINIMUM_BLOCK_BYTES, PREFERRED_BLOCK_BYTES, ANNOUNCED_PAYLOAD_BYTES];
        self.inform(code, info::BLOCK_SIZE, sizes.map(u32::to_be_bytes).as_flattened()).await?;
        if query.wanted.contains(&info::NAME) {
            self.inform(code, info::NAME, self.export.name.as_bytes()).await?;
        }
        if query.wanted.contains(&info::DESCRIPTION) {
            self.inform(code, info::DESCRIPTION, self.export.description().as_bytes()).await?;
        }
        Ok(())
    }

    async fn inform(&mut self, code: u32, kind: u16, data: &[u8]) -> io::Result<()> {
        let data = [&kind.to_be_bytes(), data].concat();
        self.reply(code, option_reply::INFO, &data).await
    }

    async fn reply(&mut self, code: u32, reply: u32, data: &[u8]) -> io::Result<()> {
        let mut bytes = Vec::with_capacity(20 + data.len());
        bytes.extend_from_slice(&OPTION_REPLY_MAGIC.to_be_bytes());
        bytes.extend_from_slice(&code.to_be_bytes());
        bytes.extend_from_slice(&reply.to_be_bytes());
        bytes.extend_from_slice(&(data.len() as u32).to_be_bytes());
        bytes.extend_from_slice(data);
        self.writer.write_all(&bytes).await
    }
}

/// Reads `length` bytes and forgets them.
pub(super) async fn skip<R: AsyncRead + Unpin>(reader: &mut R, length: u64) -> io::Result<()> {
    let skipped = tokio::io::copy(&mut reader.take(length), &mut tokio::io::sink()).await?;
    if skipped == length { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

fn violation(message: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message)
}

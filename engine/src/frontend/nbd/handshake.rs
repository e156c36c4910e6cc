//! Fixed newstyle handshake: from a fresh connection to transmission, or to the end.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::export::{Export, MAX_PAYLOAD_BYTES, MINIMUM_BLOCK_BYTES, PREFERRED_BLOCK_BYTES};
use super::option::{self, ClientOption, ExportQuery, Refusal};
use super::protocol::{OPTION_MAGIC, OPTION_REPLY_MAGIC, SERVER_MAGIC, handshake_flag, info, option_reply};

/// Largest option payload that is looked at: a name and some queries fit many times. Larger ones are skipped
/// without being stored and refused as too big.
const MAX_OPTION_BYTES: u32 = 64 << 10;
/// After so many options a client is not haggling but wasting our time.
const MAX_OPTIONS: u32 = 256;

/// How the handshake ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Data may flow. `structured`: the client understands structured replies, so reads must use them.
    Transmission { structured: bool },
    /// The client left politely.
    Ended,
}

/// Negotiates over `reader` and `writer`; an error means that the connection is of no use any more.
pub(super) async fn negotiate<R, W>(reader: &mut R, writer: &mut W, export: &Export) -> io::Result<Outcome>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let mut haggling = Haggling { reader, writer, export, structured: false, no_zeroes: false };
    haggling.greet().await?;
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
    structured: bool,
    no_zeroes: bool,
}

impl<R: AsyncRead + Unpin, W: AsyncWrite + Unpin> Haggling<'_, R, W> {
    async fn greet(&mut self) -> io::Result<()> {
        let offered = handshake_flag::FIXED_NEWSTYLE | handshake_flag::NO_ZEROES;
        let mut greeting = Vec::with_capacity(18);
        greeting.extend_from_slice(&SERVER_MAGIC.to_be_bytes());
        greeting.extend_from_slice(&OPTION_MAGIC.to_be_bytes());
        greeting.extend_from_slice(&offered.to_be_bytes());
        self.writer.write_all(&greeting).await?;
        self.writer.flush().await?;
        let flags = self.reader.read_u32().await?;
        if flags & !u32::from(offered) != 0 {
            return Err(violation(format!("the client set unknown handshake flags: {flags:#x}")));
        }
        self.no_zeroes = flags & u32::from(handshake_flag::NO_ZEROES) != 0;
        Ok(())
    }

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
            skip(self.reader, u64::from(length)).await?;
            return Ok(Err(Refusal {
                code: option_reply::ERR_TOO_BIG,
                message: format!("{length} bytes of data, at most {MAX_OPTION_BYTES} are looked at"),
            }));
        }
        let mut data = vec![0; length as usize];
        self.reader.read_exact(&mut data).await?;
        Ok(option::parse(code, &data))
    }

    async fn answer(&mut self, code: u32, option: ClientOption) -> io::Result<Result<Option<Outcome>, Refusal>> {
        let transmission = Outcome::Transmission { structured: self.structured };
        match option {
            ClientOption::ExportName { name } => {
                return self.export_name(&name).await.map(|()| Ok(Some(transmission)));
            }
            ClientOption::Abort => {
                // A client may hang up without waiting for this answer; it is gone either way.
                let _ = self.reply(code, option_reply::ACK, &[]).await;
                return Ok(Ok(Some(Outcome::Ended)));
            }
            ClientOption::List => {
                let mut entry = (self.export.name.len() as u32).to_be_bytes().to_vec();
                entry.extend_from_slice(self.export.name.as_bytes());
                self.reply(code, option_reply::SERVER, &entry).await?;
            }
            ClientOption::Info(query) => {
                if !self.export.answers_to(&query.name) {
                    return Ok(Err(Refusal::unknown_export(&query.name)));
                }
                self.describe(code, &query).await?;
            }
            ClientOption::Go(query) => {
                if !self.export.answers_to(&query.name) {
                    return Ok(Err(Refusal::unknown_export(&query.name)));
                }
                self.describe(code, &query).await?;
                self.reply(code, option_reply::ACK, &[]).await?;
                return Ok(Ok(Some(transmission)));
            }
            ClientOption::StructuredReply => self.structured = true,
            ClientOption::ListMetaContext { name } | ClientOption::SetMetaContext { name } => {
                if let Some(refusal) = self.meta_context_refusal(&name) {
                    return Ok(Err(refusal));
                }
            }
        }
        self.reply(code, option_reply::ACK, &[]).await?;
        Ok(Ok(None))
    }

    /// No metadata context is offered, so a proper query is acknowledged with an empty list.
    fn meta_context_refusal(&self, name: &str) -> Option<Refusal> {
        if !self.structured {
            Some(Refusal::invalid("metadata contexts need structured replies: negotiate those first"))
        } else if !self.export.answers_to(name) {
            Some(Refusal::unknown_export(name))
        } else {
            None
        }
    }

    async fn export_name(&mut self, name: &[u8]) -> io::Result<()> {
        if !std::str::from_utf8(name).is_ok_and(|name| self.export.answers_to(name)) {
            return Err(violation(format!("no export is called {:?} here", String::from_utf8_lossy(name))));
        }
        let mut answer = self.export.size_bytes.to_be_bytes().to_vec();
        answer.extend_from_slice(&self.export.transmission_flags(self.structured).to_be_bytes());
        if !self.no_zeroes {
            answer.resize(answer.len() + 124, 0);
        }
        self.writer.write_all(&answer).await
    }

    async fn describe(&mut self, code: u32, query: &ExportQuery) -> io::Result<()> {
        let mut export = info::EXPORT.to_be_bytes().to_vec();
        export.extend_from_slice(&self.export.size_bytes.to_be_bytes());
        export.extend_from_slice(&self.export.transmission_flags(self.structured).to_be_bytes());
        self.reply(code, option_reply::INFO, &export).await?;

        let mut sizes = info::BLOCK_SIZE.to_be_bytes().to_vec();
        for size in [MINIMUM_BLOCK_BYTES, PREFERRED_BLOCK_BYTES, MAX_PAYLOAD_BYTES] {
            sizes.extend_from_slice(&size.to_be_bytes());
        }
        self.reply(code, option_reply::INFO, &sizes).await?;

        if query.wanted.contains(&info::NAME) {
            let mut name = info::NAME.to_be_bytes().to_vec();
            name.extend_from_slice(self.export.name.as_bytes());
            self.reply(code, option_reply::INFO, &name).await?;
        }
        Ok(())
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

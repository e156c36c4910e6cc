//! `aurochs user`: who can log in. A running manager notices a change within a second.

use std::io::{IsTerminal, Read};
use std::path::PathBuf;

use aurochs_api::session::Role;
use aurochs_server::auth::users::edit::{Edit, PASSWORD_BYTES_MAXIMUM};
use clap::{Args, Subcommand, ValueEnum};

use super::{Result, say};

/// What is read from standard input at most; a password has less.
const INPUT_LIMIT_BYTES: u64 = 4096;

#[derive(Debug, Args)]
pub(crate) struct UserArguments {
    #[command(subcommand)]
    command: UserCommand,
}

#[derive(Debug, Subcommand)]
enum UserCommand {
    /// Add a user. The password is asked for, or read from standard input.
    Add {
        name: String,
        /// What the user may do.
        #[arg(long, value_enum, default_value_t = RoleWord::Viewer)]
        role: RoleWord,
        #[command(flatten)]
        place: Place,
    },
    /// Give a user another password, asked for or read from standard input. The user's sessions end.
    Passwd {
        name: String,
        #[command(flatten)]
        place: Place,
    },
    /// Change what a user may do.
    Role {
        name: String,
        #[arg(value_enum)]
        role: RoleWord,
        #[command(flatten)]
        place: Place,
    },
    /// Remove a user. The user's sessions end.
    Remove {
        name: String,
        #[command(flatten)]
        place: Place,
    },
    /// Name all users with their roles.
    List {
        #[command(flatten)]
        place: Place,
    },
}

#[derive(Debug, Args)]
struct Place {
    /// The data directory that `serve` is given.
    #[arg(long)]
    data: PathBuf,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum RoleWord {
    /// Everything.
    Admin,
    /// Look, and change nothing.
    Viewer,
}

impl From<RoleWord> for Role {
    fn from(word: RoleWord) -> Self {
        match word {
            RoleWord::Admin => Self::Admin,
            RoleWord::Viewer => Self::Viewer,
        }
    }
}

impl UserArguments {
    pub(crate) fn run(self) -> Result<()> {
        match self.command {
            UserCommand::Add { name, role, place } => {
                let (edit, role) = (place.open()?, Role::from(role));
                edit.add(&name, &password()?, role)?;
                say(&format!("{name} can log in as {}.", role.word()));
            }
            UserCommand::Passwd { name, place } => {
                let edit = place.open()?;
                edit.set_password(&name, &password()?)?;
                say(&format!("{name} has another password."));
            }
            UserCommand::Role { name, role, place } => {
                let role = Role::from(role);
                place.open()?.set_role(&name, role)?;
                say(&format!("{name} is {} now.", role.word()));
            }
            UserCommand::Remove { name, place } => {
                place.open()?.remove(&name)?;
                say(&format!("{name} can't log in any more."));
            }
            UserCommand::List { place } => {
                for (name, role) in place.open()?.list()? {
                    say(&format!("{name}\t{}", role.word()));
                }
            }
        }
        Ok(())
    }
}

impl Place {
    fn open(&self) -> Result<Edit> {
        Ok(Edit::open(&self.data)?)
    }
}

/// At a terminal it is asked for twice and not shown; else the first line of standard input. Never an argument: those can be
/// read by everybody on the machine.
fn password() -> Result<String> {
    if std::io::stdin().is_terminal() {
        let first = rpassword::prompt_password(format!("Password (at most {PASSWORD_BYTES_MAXIMUM} bytes): "))?;
        let again = rpassword::prompt_password("Again: ")?;
        return if first == again { Ok(first) } else { Err("the two are different; nothing was changed".into()) };
    }
    let mut text = String::new();
    std::io::stdin().take(INPUT_LIMIT_BYTES).read_to_string(&mut text)?;
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

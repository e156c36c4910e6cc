//! `aurochs completion`

use clap::Args;
use clap_complete::Shell;

use super::failure::Failure;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  aurochs completion bash > /etc/bash_completion.d/aurochs
  aurochs completion zsh > \"${fpath[1]}/_aurochs\"
  aurochs completion fish > ~/.config/fish/completions/aurochs.fish")]
pub struct Completion {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

impl Completion {
    pub(super) fn print(self, mut program: clap::Command) -> Result<(), Failure> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut program, "aurochs", &mut script);
        use std::io::Write;
        Ok(std::io::stdout().write_all(&script)?)
    }
}

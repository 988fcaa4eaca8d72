//! User name and password, and the places a password may come from. Owns that none of it is shown.

use std::ffi::OsString;
use std::path::PathBuf;

use bowline::Credentials;
use bytes::Bytes;
use clap::Args;

use crate::connect::target::Target;
use crate::exit::Failure;

/// Where a password may be that should not be on the command line.
const VARIABLE: &str = "BOWLINE_PASSWORD";

#[derive(Args)]
#[command(next_help_heading = "Login")]
pub(super) struct PasswordArguments {
    /// The user name. Its password may also be in the environment, in BOWLINE_PASSWORD
    #[arg(short, long)]
    username: Option<String>,

    /// The password. Other users of this machine see it in the list of processes; the ways below and the environment do not
    /// show it
    #[arg(short = 'P', long, value_name = "PASSWORD", conflicts_with_all = ["pw_file", "pw_prompt"])]
    pw: Option<OsString>,

    /// Read the password from a file; one newline at its end does not count
    #[arg(long, value_name = "FILE", conflicts_with = "pw_prompt")]
    pw_file: Option<PathBuf>,

    /// Ask for the password on the terminal
    #[arg(long)]
    pw_prompt: bool,
}

impl PasswordArguments {
    /// What to log in with, if anything: options first, then the URL, then the environment.
    pub(super) fn credentials(&self, target: &Target) -> Result<Option<Credentials>, Failure> {
        let of_url = target.endpoint.credentials();
        let user_of_url = of_url.map(|it| it.user()).filter(|user| !user.is_empty());
        let user = self.username.as_deref().or(user_of_url);
        let password = match self.password()? {
            Some(password) => Some(password),
            None => of_url.and_then(|it| it.password()).cloned().or_else(|| {
                // It may be set for other calls: alone it does not make this one a login.
                user.and_then(|_| std::env::var_os(VARIABLE)).map(|it| Bytes::from(it.into_encoded_bytes()))
            }),
        };
        let credentials = match (user, password) {
            (None, None) => return Ok(None),
            (Some(user), None) => Credentials::user_name(user),
            (Some(user), Some(password)) => Credentials::user_name(user).password(password),
            (None, Some(password)) => Credentials::none().password(password),
        };
        Ok(Some(credentials))
    }

    /// The password that an option gives.
    fn password(&self) -> Result<Option<Bytes>, Failure> {
        if let Some(password) = &self.pw {
            return Ok(Some(password.clone().into_encoded_bytes().into()));
        }
        if let Some(path) = &self.pw_file {
            let mut password = std::fs::read(path).map_err(|error| {
                Failure::usage(format!("the password file {} cannot be read: {error}", path.display()))
            })?;
            if password.ends_with(b"\n") {
                password.pop();
                if password.ends_with(b"\r") {
                    password.pop();
                }
            }
            return Ok(Some(password.into()));
        }
        if self.pw_prompt {
            #[cfg(unix)]
            check_terminal()?;
            let password = rpassword::prompt_password("Password: ").map_err(|error| {
                Failure::usage(format!("the password cannot be read from the terminal: {error}"))
            })?;
            return Ok(Some(password.into()));
        }
        Ok(None)
    }
}

/// Where stdin leads says nothing: it may be what is to be sent.
#[cfg(unix)]
fn check_terminal() -> Result<(), Failure> {
    let terminal = std::fs::File::options().read(true).write(true).open("/dev/tty");
    terminal.map(drop).map_err(|error| {
        Failure::usage(format!(
            "there is no terminal to ask for the password ({error}): give it by --pw-file, or in the environment as \
             {VARIABLE} (with -u)"
        ))
    })
}

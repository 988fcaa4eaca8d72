//! Brokers beside the first, and what they have to do with one another. Owns that no part of a URL gets into an error.

use bowline::transport::{Endpoint, Scheme};
use bowline::{AddressOrder, AddressSessions, Builder, Role};
use clap::Args;

use crate::exit::Failure;

#[derive(Args)]
#[command(next_help_heading = "Several brokers")]
pub(super) struct AddressArguments {
    /// Another broker to try when those before it fail, as a URL without credentials and topic, or as host and port with the first
    /// one's scheme; can be repeated
    #[arg(long, value_name = "URL")]
    also: Vec<String>,

    /// Try them in random order, anew for every round, instead of as they are listed
    #[arg(long, requires = "also")]
    any_order: bool,

    /// They are brokers of their own, not a cluster: a session is at one of them alone
    #[arg(long, requires = "also")]
    independent: bool,
}

impl AddressArguments {
    /// Whether one of them has such a scheme. A URL that is wrong is told by `configure`.
    pub(super) fn have(&self, schemes: [Scheme; 2]) -> bool {
        let endpoints = self.also.iter().filter_map(|url| url.parse::<Endpoint>().ok());
        endpoints.into_iter().any(|endpoint| schemes.contains(&endpoint.scheme()))
    }

    /// `first` is the scheme of the first broker: one that names none is not meant to be less safe than that.
    pub(super) fn configure<R: Role>(
        &self,
        mut builder: Builder<R>,
        first: Scheme,
    ) -> Result<Builder<R>, Failure> {
        for url in &self.also {
            let with_scheme = if url.contains("://") { url.clone() } else { format!("{first}://{url}") };
            let url = &with_scheme;
            let endpoint: Endpoint = url
                .parse()
                .map_err(|error| Failure::usage(format!("the URL of --also is wrong: {error}")))?;
            if endpoint.credentials().is_some() {
                return Err(Failure::usage(
                    "the URL of --also must have no credentials: those of the first broker are for all",
                ));
            }
            builder = builder.also(url);
        }
        if self.any_order {
            builder = builder.address_order(AddressOrder::Random);
        }
        if self.independent {
            builder = builder.address_sessions(AddressSessions::Independent);
        }
        Ok(builder)
    }
}

//! The options of TLS, called as Mosquitto's programs call them. Knows no other option.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use bowline::rustls::KeyLog;
use bowline::{Certificates, Identity, PrivateKey, Tls, TlsVersion};
use clap::Args;

use crate::exit::Failure;

#[derive(Args)]
#[command(next_help_heading = "TLS (with mqtts://, wss:// or any of these)")]
pub(super) struct TlsArguments {
    /// Trust the CA certificates of this file (PEM or DER) and no others
    #[arg(long, value_name = "FILE")]
    cafile: Option<PathBuf>,

    /// Trust the CA certificates in the files of this folder and no others
    #[arg(long, value_name = "FOLDER")]
    capath: Option<PathBuf>,

    /// Trust the CA certificates of this machine: the default without --cafile and --capath
    #[arg(long)]
    tls_use_os_certs: bool,

    /// The client certificate, with those between it and its CA (PEM or DER)
    #[arg(long, value_name = "FILE", requires = "key")]
    cert: Option<PathBuf>,

    /// Its private key (PEM or DER, without a passphrase)
    #[arg(long, value_name = "FILE", requires = "cert")]
    key: Option<PathBuf>,

    /// The least version of TLS: tlsv1.2 or tlsv1.3
    #[arg(long, value_name = "VERSION", value_parser = version)]
    tls_version: Option<TlsVersion>,

    /// Offer this application protocol; `mqtt` is the registered one
    #[arg(long, value_name = "PROTOCOL")]
    tls_alpn: Option<String>,

    /// The name that the server's certificate must be for, and that the server is told (SNI), instead of the host
    #[arg(long, value_name = "NAME")]
    tls_server_name: Option<String>,

    /// Do not check that the server's certificate is for this host. DANGEROUS: whoever has a certificate of the same CA can read
    /// and change everything
    #[arg(long)]
    insecure: bool,

    /// Append the secrets of the connections to this file, for Wireshark. Whoever reads it can read them
    #[arg(long, value_name = "FILE")]
    tls_keylog: Option<PathBuf>,
}

impl TlsArguments {
    /// Whether any of them was given: then TLS is meant.
    pub(super) const fn is_given(&self) -> bool {
        let has_trust =
            self.cafile.is_some() || self.capath.is_some() || self.tls_use_os_certs || self.insecure;
        let has_identity = self.cert.is_some() || self.key.is_some();
        let has_more = self.tls_version.is_some() || self.tls_alpn.is_some() || self.tls_keylog.is_some();
        has_trust || has_identity || has_more || self.tls_server_name.is_some()
    }

    pub(super) fn tls(&self) -> Result<Tls, Failure> {
        let mut tls = Tls::new();
        if let Some(file) = &self.cafile {
            tls = tls.roots(Certificates::file(file));
        }
        if let Some(folder) = &self.capath {
            for file in certificates_of(folder)? {
                tls = tls.roots(Certificates::file(file));
            }
        }
        if (self.cafile.is_some() || self.capath.is_some()) && !self.tls_use_os_certs {
            tls = tls.without_platform_roots();
        }
        if let (Some(cert), Some(key)) = (&self.cert, &self.key) {
            tls = tls.identity(Identity::new(Certificates::file(cert), PrivateKey::file(key)));
        }
        if let Some(version) = self.tls_version {
            tls = tls.min_version(version);
        }
        if let Some(protocol) = &self.tls_alpn {
            tls = tls.alpn(protocol.as_bytes());
        }
        if let Some(name) = &self.tls_server_name {
            tls = tls.server_name(name);
        }
        if self.insecure {
            tls = tls.danger_accept_any_server_name();
        }
        if let Some(path) = &self.tls_keylog {
            tls = tls.key_log(Arc::new(KeyFile::open(path)?));
        }
        Ok(tls)
    }
}

/// The files of the folder that may be certificates, in the order of their names.
fn certificates_of(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let unreadable =
        |error| Failure::usage(format!("the folder {} cannot be read: {error}", folder.display()));
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        // As OpenSSL's `rehash` leaves them: links named by a hash, beside files with the usual endings.
        let is_hash =
            path.extension().is_some_and(|end| end.as_encoded_bytes().iter().all(u8::is_ascii_digit));
        let is_certificate = path
            .extension()
            .is_some_and(|end| ["pem", "crt", "cer", "der"].iter().any(|known| end == *known));
        if path.is_file() && (is_hash || is_certificate) {
            files.push(path);
        }
    }
    files.sort();
    if files.is_empty() {
        let text = format!(
            "the folder {} has no files with certificates (.pem, .crt, .cer, .der)",
            folder.display()
        );
        return Err(Failure::usage(text));
    }
    Ok(files)
}

fn version(text: &str) -> Result<TlsVersion, String> {
    match text {
        "tlsv1.2" | "1.2" => Ok(TlsVersion::V1_2),
        "tlsv1.3" | "1.3" => Ok(TlsVersion::V1_3),
        _ => Err("versions are tlsv1.2 and tlsv1.3".into()),
    }
}

/// Lines in the format that NSS made common.
#[derive(Debug)]
struct KeyFile(Mutex<File>);

impl KeyFile {
    fn open(path: &Path) -> Result<Self, Failure> {
        let mut options = File::options();
        options.append(true).create(true);
        #[cfg(unix)]
        {
            use std::os::unix::fs::OpenOptionsExt;
            options.mode(0o600);
        }
        let file = options.open(path);
        let file =
            file.map_err(|error| Failure::usage(format!("{} cannot be written: {error}", path.display())))?;
        Ok(Self(Mutex::new(file)))
    }
}

impl KeyLog for KeyFile {
    fn log(&self, label: &str, client_random: &[u8], secret: &[u8]) {
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let line = format!("{label} {} {}\n", hex(client_random), hex(secret));
        let mut file = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // A full disk is no reason to lose the connection.
        _ = file.write_all(line.as_bytes());
    }
}

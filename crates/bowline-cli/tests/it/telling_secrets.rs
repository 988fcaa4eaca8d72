//! Where passwords come from, and that they are told to the broker alone.

use std::path::PathBuf;
use std::process::Command;

use bowline::ReasonCode;
use bowline_broker::Broker;

use crate::process::{Process, bowline, client_arguments};

const PASSWORD: &str = "tide-and-knots";

async fn broker() -> Broker {
    let decide = |login: bowline_broker::Login<'_>| {
        let is_right = login.user_name == Some("meter") && login.password == Some(PASSWORD.as_bytes());
        if is_right { Ok(()) } else { Err(ReasonCode::NotAuthorized) }
    };
    Broker::builder().authenticate(decide).start().await.expect("a free port")
}

struct File(PathBuf);

impl File {
    fn new(contents: &str) -> Self {
        let name = format!("bowline-cli-password-{}-{}", std::process::id(), contents.len());
        let path = std::env::temp_dir().join(name);
        std::fs::write(&path, contents).expect("the temporary folder can be written");
        Self(path)
    }
}

impl Drop for File {
    fn drop(&mut self) {
        _ = std::fs::remove_file(&self.0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_comes_from_option_environment_file_or_url_and_is_in_no_log() {
    let broker = broker().await;
    let address = broker.address().unwrap();
    let (file, file_with_newline) = (File::new(PASSWORD), File::new(&format!("{PASSWORD}\n")));
    let login = ["-t", "a", "-m", "x", "-q", "1", "-d", "-u", "meter"];
    let ways: [(&[&str], Option<&str>); 5] = [
        (&["-P", PASSWORD], None),
        (&["-P", PASSWORD], Some("another one")),
        (&[], Some(PASSWORD)),
        (&["--pw-file", file.0.to_str().unwrap()], Some("another one")),
        (&["--pw-file", file_with_newline.0.to_str().unwrap()], None),
    ];
    for version in ["31", "311", "5"] {
        for (way, environment) in ways {
            let arguments = [&login[..], way, &["-V", version]].concat();
            let mut command = bowline(client_arguments("pub", &broker, &arguments));
            if let Some(password) = environment {
                command.env("BOWLINE_PASSWORD", password);
            }
            let ended = Process::start(&mut command).finish();
            assert!(ended.stderr.contains("==> CONNECT"), "{}", ended.stderr);
            assert!(!ended.stderr.contains(PASSWORD), "{way:?}: {}", ended.stderr);
            ended.successful();
        }
        let url = format!("mqtt://meter:{PASSWORD}@{address}/a");
        let ended = Process::bowline(["pub", &url, "-m", "x", "-d", "-V", version]).finish();
        assert!(!ended.stderr.contains(PASSWORD), "{}", ended.stderr);
        ended.successful();
    }
    broker.assert_no_violations();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_is_asked_for_on_the_terminal_and_not_shown_there() {
    let broker = broker().await;
    let options = ["-t", "a", "-m", "x", "-q", "1", "-u", "meter", "--pw-prompt"];
    let arguments = client_arguments("pub", &broker, &options).join(" ");
    // `script` gives the program a terminal, which its input goes to.
    let mut command = Command::new("script");
    let program = format!("{} {arguments}", env!("CARGO_BIN_EXE_bowline"));
    let mut terminal = Process::start(command.args(["-qec", &program, "/dev/null"]));
    terminal.until_stdout(b"Password: ");
    // The prompt stands there before the echo is off.
    std::thread::sleep(std::time::Duration::from_millis(500));
    terminal.input(format!("{PASSWORD}\n").as_bytes());
    let ended = terminal.wait_and_finish();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(!String::from_utf8_lossy(&ended.stdout).contains(PASSWORD));
    broker.assert_no_violations();
}

/// The arguments of a running process, as everybody on the machine sees them.
fn list_of_processes(id: u32) -> String {
    if let Ok(arguments) = std::fs::read(format!("/proc/{id}/cmdline")) {
        return String::from_utf8_lossy(&arguments).replace('\0', " ");
    }
    let listed = Command::new("ps").args(["-o", "args=", "-p", &id.to_string()]).output();
    String::from_utf8_lossy(&listed.expect("the system lists processes").stdout).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_from_environment_or_file_is_not_in_the_list_of_processes() {
    let broker = broker().await;
    let file = File::new(&format!("{PASSWORD}\r\n"));
    let login = ["-t", "a", "-u", "meter", "-d"];
    let path = file.0.to_str().unwrap();
    for (way, environment) in [(&["--pw-file", path][..], None), (&[][..], Some(PASSWORD))] {
        let mut command = bowline(client_arguments("sub", &broker, &[&login[..], way].concat()));
        if let Some(password) = environment {
            command.env("BOWLINE_PASSWORD", password);
        }
        let subscriber = Process::start(&mut command);
        subscriber.until_stderr("<== SUBACK");
        let seen = list_of_processes(subscriber.id());
        assert!(seen.contains("-u meter"), "{seen}");
        assert!(!seen.contains(PASSWORD), "{seen}");
        subscriber.signal(rustix::process::Signal::TERM);
        drop(subscriber.wait_and_finish());
    }
    broker.assert_no_violations();
}

#[tokio::test(flavor = "multi_thread")]
async fn no_error_has_a_password_in_it() {
    let broker = broker().await;
    let address = broker.address().unwrap();
    let url = format!("mqtt://other:{PASSWORD}@{address}/a");
    let with_slash = format!("mqtt://meter:/{PASSWORD}@{address}/a");
    let without_host = format!("mqtt://meter:{PASSWORD}");
    let (of_flag, of_port) = (format!("--pw-prompt={PASSWORD}"), format!("--port={url}"));
    let encrypted = format!("--host=wss://meter:{PASSWORD}@host/a");
    let with_token = format!("wss://host/mqtt?token={PASSWORD}");
    let (token_of_port, token_of_p) = (format!("--port={with_token}"), format!("-p{with_token}"));
    let with_sign = format!("mqtt://meter:{PASSWORD}=@host");
    let (without_scheme, of_p) = (format!("meter:{PASSWORD}=@host"), format!("-pmeter:{PASSWORD}=@host"));
    let of_port_alone = format!("-p{PASSWORD}");
    let wrong: [&[&str]; 18] = [
        &["pub", &url, "-m", "x", "-d"],
        &["pub", &url, &url, "-m", "x"],
        &["pub", &url, "-m", "x", "-h", "host"],
        &["pub", &with_slash, "-m", "x"],
        &["pub", &without_host, "-m", "x"],
        &["pub", &of_flag, "-t", "a", "-m", "x"],
        &["pub", &of_port, "-t", "a", "-m", "x"],
        &["pub", &encrypted, &encrypted, "-t", "a", "-m", "x"],
        &["pub", "-P", PASSWORD, "-P", PASSWORD, "-t", "a", "-m", "x"],
        &["pub", &with_token, &with_token, "-t", "a", "-m", "x"],
        &["pub", &token_of_port, "-t", "a", "-m", "x"],
        &["pub", "-p", &with_token, "-t", "a", "-m", "x"],
        &["pub", &token_of_p, "-t", "a", "-m", "x"],
        &["pub", &with_sign, &with_sign, "-t", "a", "-m", "x"],
        &["pub", &without_scheme, &without_scheme, "-t", "a", "-m", "x"],
        &["pub", &of_p, "-t", "a", "-m", "x"],
        &["pub", &of_port_alone, "-t", "a", "-m", "x"],
        &["pub", "-u", "meter", "-p", PASSWORD, "-t", "a", "-m", "x"],
    ];
    for arguments in wrong {
        let ended = Process::bowline(arguments).finish();
        assert_ne!(ended.code, Some(0), "{arguments:?}");
        assert!(
            !ended.stderr.is_empty() && !ended.stderr.contains(PASSWORD),
            "{arguments:?}: {}",
            ended.stderr
        );
    }
    let missing =
        Process::client("sub", &broker, &["-t", "a", "-u", "u", "--pw-file", "/no/such/file"]).finish();
    assert_eq!(missing.code, Some(2));
    assert!(missing.stderr.contains("/no/such/file"), "{}", missing.stderr);
}

/// What is asked for is shown as it is, also if one of the examples is on the command line.
#[test]
fn the_help_hides_no_url_of_its_own() {
    let ended = Process::bowline(["pub", "mqtt://broker.example/home/lamp", "--help"]).finish();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let help = String::from_utf8(ended.stdout).expect("it is text");
    assert!(help.contains("bowline pub mqtt://broker.example/home/lamp -n -r"), "{help}");
}

/// Without a terminal there is nobody to ask, whatever stdin is.
#[cfg(target_os = "linux")]
#[test]
fn a_prompt_without_a_terminal_fails_at_once_and_says_what_else_there_is() {
    // Of a session of its own, which has no terminal.
    let mut command = Command::new("setsid");
    command.args(["--wait", env!("CARGO_BIN_EXE_bowline"), "pub", "-t", "t", "-m", "x", "-u", "meter"]);
    let mut process = Process::start(command.arg("--pw-prompt").env_remove("BOWLINE_PASSWORD"));
    // It does not wait for a line.
    crate::process::until("ending", || process.has_ended());
    let ended = process.finish();
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    for text in ["there is no terminal to ask for the password", "--pw-file", "BOWLINE_PASSWORD"] {
        assert!(ended.stderr.contains(text), "{text}: {}", ended.stderr);
    }
}

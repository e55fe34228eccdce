//! Child processes: start, watch the log, kill, start again.

use crate::wait;
use std::env;
use std::ffi::{OsStr, OsString};
use std::fs::{self, OpenOptions};
use std::io;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{LazyLock, mpsc};
use std::thread;
use std::time::Duration;
use tempfile::TempDir;

/// How many lines of a log a failed test shows.
const TAIL_LINES: usize = 40;

/// What to start, and how. Made by [`Server::command`].
#[derive(Debug, Clone)]
pub struct ServerCommand {
    program: PathBuf,
    arguments: Vec<OsString>,
    environment: Vec<(OsString, OsString)>,
    user: Option<String>,
    is_unread: bool,
}

impl ServerCommand {
    /// Adds one argument.
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.arguments.push(argument.as_ref().to_owned());
        self
    }

    /// Adds several arguments.
    pub fn args<A: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.arguments.extend(arguments.into_iter().map(|argument| argument.as_ref().to_owned()));
        self
    }

    /// Sets an environment variable. Variables of the test's own environment that begin with `IXN_` are not passed
    /// on, so that a developer's settings do not change a test.
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.environment.push((name.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    /// Runs the program as another user, for programs that refuse root. Takes root and `setpriv`.
    pub fn as_user(mut self, user: impl Into<String>) -> Self {
        self.user = Some(user.into());
        self
    }

    /// Its output goes to a pipe whose reader has gone, instead of to the log.
    pub fn unread(mut self) -> Self {
        self.is_unread = true;
        self
    }

    /// Starts the program in the background.
    ///
    /// # Panics
    /// When it cannot be started. A program that starts and then ends is seen by the waits of [`Server`].
    pub fn start(self) -> Server {
        let name =
            self.program.file_name().unwrap_or(self.program.as_os_str()).to_string_lossy().into_owned();
        let folder =
            tempfile::Builder::new().prefix("ixn-server-log.").tempdir().expect("a folder for the log");
        let log = folder.path().join("log");
        let child = spawn(&self, &log).unwrap_or_else(|error| panic!("{name} does not start: {error}"));
        Server { command: self, name, child, status: None, log, log_start: 0, _folder: folder }
    }
}

/// A running program of the test. It is killed when this value is dropped, and dies with the test process whatever
/// happens to that; when the test has panicked, the end of its log is printed.
#[derive(Debug)]
pub struct Server {
    command: ServerCommand,
    name: String,
    child: Child,
    status: Option<ExitStatus>,
    log: PathBuf,
    /// Where the log of the present run begins, in bytes.
    log_start: usize,
    _folder: TempDir,
}

impl Server {
    /// Describes a program to start: a path, or a name to be looked up in `PATH`.
    pub fn command(program: impl AsRef<Path>) -> ServerCommand {
        ServerCommand {
            program: program.as_ref().to_owned(),
            arguments: Vec::new(),
            environment: Vec::new(),
            user: None,
            is_unread: false,
        }
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What the present run has written to standard output and standard error, in the order of writing.
    pub fn log(&self) -> String {
        let bytes = fs::read(&self.log).unwrap_or_default();
        String::from_utf8_lossy(bytes.get(self.log_start..).unwrap_or_default()).into_owned()
    }

    /// What all runs have written, the oldest first.
    pub fn whole_log(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// Waits for a whole line that contains `text` in the log of the present run, and returns the first one.
    ///
    /// # Panics
    /// When the time is up, or the program has ended without writing it.
    pub async fn wait_for_line(&mut self, text: &str, limit: Duration) -> String {
        let what = format!("a line with {text:?} in the log of {}", self.name);
        wait::until(limit, &what, async || {
            // The status first: a program that has ended has written all it will.
            let status = self.exit_status();
            let log = self.log();
            let whole = log.rfind('\n').map_or("", |end| &log[..end]);
            match (whole.lines().find(|line| line.contains(text)), status) {
                (Some(line), _) => Ok(line.to_owned()),
                (None, Some(status)) => panic!("waited for {what}; it has ended: {status}"),
                (None, None) => Err(format!("last line {:?}", whole.lines().last().unwrap_or_default())),
            }
        })
        .await
    }

    /// How the program ended, or `None` while it runs.
    pub fn exit_status(&mut self) -> Option<ExitStatus> {
        if self.status.is_none() {
            self.status = self.child.try_wait().expect("the state of a child process");
        }
        self.status
    }

    /// Waits until the program has ended by itself or after [`Server::terminate`].
    ///
    /// # Panics
    /// When the time is up.
    pub async fn wait_for_exit(&mut self, limit: Duration) -> ExitStatus {
        let what = format!("the end of {}", self.name);
        wait::until(limit, &what, async || self.exit_status().ok_or("it still runs")).await
    }

    /// Kills the program at once, without a chance to clean up (SIGKILL), and waits until it is gone.
    pub fn kill(&mut self) -> ExitStatus {
        if let Some(status) = self.exit_status() {
            return status;
        }
        self.child.kill().expect("a child process can be killed");
        let status = self.child.wait().expect("the state of a child process");
        self.status = Some(status);
        status
    }

    /// Asks the program to end (SIGTERM). [`Server::wait_for_exit`] tells how it did.
    pub fn terminate(&mut self) {
        self.signal("TERM");
    }

    /// Sends a signal by its name, such as `INT`, `STOP`, `CONT`. Does nothing when the program has ended.
    pub fn signal(&mut self, signal: &str) {
        if self.exit_status().is_some() {
            return;
        }
        send(signal, &[self.pid()]);
    }

    /// Starts the same program again with the same arguments. Kills it first when it still runs.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn restart(&mut self) {
        self.kill();
        self.log_start = fs::metadata(&self.log).map_or(0, |log| log.len() as usize);
        self.child = spawn(&self.command, &self.log)
            .unwrap_or_else(|error| panic!("{} does not start again: {error}", self.name));
        self.status = None;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // A panic in here would hide the test's own, so nothing is asserted.
        let ended = self.status.or_else(|| self.child.try_wait().ok().flatten());
        if ended.is_none() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
        if thread::panicking() {
            let state = ended.map_or_else(|| "running until now".to_owned(), |status| status.to_string());
            let log = String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned();
            let lines: Vec<&str> = log.lines().collect();
            let tail = &lines[lines.len().saturating_sub(TAIL_LINES)..];
            eprintln!("--- {} ({state}), the end of its log:\n{}\n---", self.name, tail.join("\n"));
        }
    }
}

/// Sends a signal by its name to processes; one that has gone is passed over.
pub(crate) fn send(signal: &str, pids: &[u32]) {
    let status = Command::new("sh")
        .args(["-c", "s=$0; for p; do kill -s \"$s\" \"$p\" 2>/dev/null; done; :", signal])
        .args(pids.iter().map(u32::to_string))
        .status();
    // Also called while a failed test cleans up, where a second panic would abort.
    if !status.as_ref().is_ok_and(ExitStatus::success) {
        eprintln!("signal {signal} not sent to {pids:?}: {status:?}");
    }
}

/// Starts a program whose output is appended to `log`, as a direct child that dies with this process.
fn spawn(what: &ServerCommand, log: &Path) -> io::Result<Child> {
    let program = find_program(&what.program).ok_or_else(|| {
        io::Error::new(io::ErrorKind::NotFound, format!("{} is not there", what.program.display()))
    })?;
    let output = OpenOptions::new().create(true).append(true).open(log)?;
    let mut command = match find_program(Path::new("setpriv")) {
        // setpriv replaces itself by the program: its pid is the program's own.
        Some(setpriv) => {
            let mut command = Command::new(setpriv);
            command.args(["--pdeathsig", "KILL"]);
            if let Some(user) = &what.user {
                command.args(["--reuid", user, "--regid", user, "--clear-groups"]);
            }
            command.arg("--").arg(program);
            command
        }
        None if what.user.is_some() => {
            return Err(io::Error::other("setpriv is not there: install util-linux"));
        }
        None => Command::new(program),
    };
    for (name, _) in env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("IXN_")) {
        command.env_remove(name);
    }
    command.args(&what.arguments).envs(what.environment.iter().map(|(name, value)| (name, value)));
    // Another user may not be allowed into the folder that the test runs in.
    if what.user.is_some() {
        command.current_dir("/");
    }
    command.stdin(Stdio::null());
    if what.is_unread {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
    } else {
        command.stdout(output.try_clone()?).stderr(output);
    }
    let mut child = spawn_from_lasting_thread(command)?;
    drop((child.stdout.take(), child.stderr.take()));
    Ok(child)
}

/// A port of loopback on which nobody listens. Below those that the system gives to connections, so that none of these takes
/// it before the program that is told to listen there, or while that is away.
///
/// # Panics
/// When a hundred in a row are taken.
pub fn free_port() -> u16 {
    (0..100)
        .map(|_| fastrand::u16(20_000..32_000))
        .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .expect("a free port")
}

/// The parent death signal is sent when the *thread* that started the child ends, and the thread of a test ends before
/// what it shares with others does. So all children are started from one thread that stays as long as the process.
fn spawn_from_lasting_thread(command: Command) -> io::Result<Child> {
    type Job = (Command, mpsc::Sender<io::Result<Child>>);
    static STARTER: LazyLock<mpsc::Sender<Job>> = LazyLock::new(|| {
        let (sender, jobs) = mpsc::channel::<Job>();
        thread::spawn(move || {
            for (mut command, answer) in jobs {
                // Whoever asked waits for the answer.
                let _ = answer.send(command.spawn());
            }
        });
        sender
    });
    let (answer, child) = mpsc::channel();
    STARTER.send((command, answer)).map_err(io::Error::other)?;
    child.recv().map_err(io::Error::other)?
}

/// The file of a program given by path or by name.
pub(crate) fn find_program(program: &Path) -> Option<PathBuf> {
    if program.components().count() > 1 {
        return program.is_file().then(|| program.to_owned());
    }
    env::split_paths(&env::var_os("PATH")?).map(|folder| folder.join(program)).find(|file| file.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::ExitStatusExt;

    const LIMIT: Duration = Duration::from_secs(20);

    fn shell(script: &str) -> ServerCommand {
        Server::command("sh").args(["-c", script])
    }

    #[tokio::test]
    async fn finds_a_line_and_passes_arguments_and_variables() {
        let mut server =
            shell("echo one $0 $COLOUR >&2; exec sleep 600").arg("two").env("COLOUR", "red").start();
        assert_eq!(server.wait_for_line("two", LIMIT).await, "one two red");
        assert_eq!(server.exit_status(), None);
    }

    #[tokio::test]
    async fn the_output_of_an_unread_program_has_no_reader() {
        let script = "while echo line; do sleep 0.01; done 2>/dev/null; exit 5";
        let mut server = shell(&format!("trap '' PIPE; {script}")).unread().start();
        assert_eq!(server.wait_for_exit(LIMIT).await.code(), Some(5));
        assert_eq!(server.log(), "");
    }

    #[tokio::test]
    async fn kills_and_starts_again_with_a_log_of_its_own() {
        let mut server = shell("echo pid $$; exec sleep 600").start();
        let first = server.wait_for_line("pid", LIMIT).await;
        assert_eq!(first, format!("pid {}", server.pid()));
        assert_eq!(server.kill().signal(), Some(9));
        server.restart();
        let second = server.wait_for_line("pid", LIMIT).await;
        assert_ne!(first, second);
    }

    #[tokio::test]
    async fn tells_the_exit_code_after_terminate() {
        let mut server = shell("trap 'exit 7' TERM; echo ready; while :; do sleep 0.05; done").start();
        server.wait_for_line("ready", LIMIT).await;
        server.terminate();
        assert_eq!(server.wait_for_exit(LIMIT).await.code(), Some(7));
    }

    #[tokio::test]
    #[should_panic(expected = "it has ended: exit status: 3")]
    async fn does_not_wait_for_a_line_of_a_program_that_has_ended() {
        shell("echo no; exit 3").start().wait_for_line("yes", LIMIT).await;
    }

    #[tokio::test]
    #[should_panic(expected = "last seen: last line \"no\"")]
    async fn says_the_last_line_when_the_time_is_up() {
        let mut server = shell("echo no; exec sleep 600").start();
        server.wait_for_line("no", LIMIT).await;
        server.wait_for_line("yes", Duration::from_millis(50)).await;
    }

    #[test]
    #[should_panic(expected = "ixn-nowhere is not there")]
    fn names_a_program_that_is_not_there() {
        Server::command("/ixn-nowhere").start();
    }

    #[tokio::test]
    async fn a_dropped_server_is_gone() {
        let mut server = shell("echo ready; exec sleep 600").start();
        server.wait_for_line("ready", LIMIT).await;
        let process = format!("/proc/{}", server.pid());
        let log = server.log.clone();
        drop(server);
        assert!(!Path::new(&process).exists(), "{process} is still there");
        assert!(!log.exists(), "{} is still there", log.display());
    }
}

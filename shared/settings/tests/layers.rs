//! The three layers, their errors and what is shown of them.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::{ArgAction, Parser};
use ixn_settings::{
    ByteSize, Checked, Conflict, EXIT_CODE, Origin, Secret, Settings, SettingsError, TimeSpan, check,
};

/// A service for these tests.
#[derive(Debug, Parser)]
#[command(name = "ixn-test", version = "1.2.3")]
struct Options {
    /// Short id of the tenant.
    #[arg(long)]
    tenant_sid: String,
    /// Where clients connect.
    #[arg(long, default_value_t = 7120)]
    port: u16,
    /// How long an agent may stay away.
    ///
    /// After that the agent is logged out.
    #[arg(long, default_value = "60s")]
    agent_reconnect_timeout: TimeSpan,
    /// How much may wait.
    #[arg(long, default_value = "64MiB")]
    waiting_limit: ByteSize,
    /// Redis nodes.
    #[arg(long, value_delimiter = ',')]
    redis_nodes: Vec<String>,
    /// Send reporting events to Kafka.
    #[arg(long, default_value_t = false, action = ArgAction::Set)]
    kafka_enabled: bool,
    /// Speak of everything.
    #[arg(long)]
    verbose: bool,
    /// What logs look like.
    #[arg(long, global = true, default_value = "auto", value_parser = ["auto", "text", "json"])]
    log_format: String,
    /// Address of the database.
    #[arg(long, env = "DATABASE_URL")]
    database_url: Option<String>,
    /// File with the password of the database.
    #[arg(long = "database-password-file")]
    database_password: Option<Secret>,
    #[command(subcommand)]
    command: Option<Subcommand>,
}

#[derive(Debug, clap::Subcommand)]
enum Subcommand {
    /// Check and exit.
    CheckConfig,
}

/// One port goes with Redis only.
fn conflicts(options: &Options) -> Vec<Conflict> {
    let message = "port 81 needs Redis, choose another".to_owned();
    let is_wrong = options.port == 81 && options.redis_nodes.is_empty();
    if is_wrong { vec![Conflict { options: &["port", "redis-nodes"], message }] } else { Vec::new() }
}

struct Given {
    folder: tempfile::TempDir,
    variables: Vec<(&'static str, String)>,
    flags: Vec<String>,
}

impl Given {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), variables: Vec::new(), flags: vec!["ixn-test".into()] }
    }

    fn write(&self, name: &str, content: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    fn file(mut self, content: &str) -> Self {
        let path = self.write("ixn.yaml", content);
        self.flags.extend(["--settings".into(), path.display().to_string()]);
        self
    }

    fn variable(mut self, name: &'static str, value: impl AsRef<Path>) -> Self {
        self.variables.push((name, value.as_ref().display().to_string()));
        self
    }

    fn flags(mut self, flags: &[&str]) -> Self {
        self.flags.extend(flags.iter().map(ToString::to_string));
        self
    }

    fn load(&self) -> Result<Settings<Options>, SettingsError> {
        self.check()?.without_problems()
    }

    fn check(&self) -> Result<Checked<Options>, SettingsError> {
        let variables: Vec<_> =
            self.variables.iter().map(|(name, value)| (name.into(), value.into())).collect();
        check("IXN_", self.flags.iter().map(OsString::from), &variables, conflicts)
    }

    /// The errors with the folder's name cut off.
    fn refusal(&self) -> String {
        let error = self.load().expect_err("these settings are wrong");
        error.to_string().replace(&format!("{}/", self.folder.path().display()), "")
    }

    fn print(&self) -> String {
        let text = self.load().unwrap().effective.to_string();
        text.replace(&format!("{}/", self.folder.path().display()), "")
    }
}

#[cfg(unix)]
#[test]
fn a_variable_that_is_not_utf8_is_refused_unless_a_flag_overrides_it() {
    use std::os::unix::ffi::OsStringExt;
    let variables = [("IXN_TENANT_SID".into(), OsString::from_vec(vec![b'4', 0xff]))];
    let problems = |flags: &[&str]| {
        let flags = std::iter::once("ixn-test").chain(flags.iter().copied()).map(Into::into);
        let checked = check::<Options>("IXN_", flags, &variables, conflicts);
        checked.map(|checked| checked.problems.len()).map_err(|error| error.to_string())
    };
    assert_eq!(problems(&["--tenant-sid=42"]), Ok(0));
    assert_eq!(problems(&[]), Err("variable IXN_TENANT_SID: tenant-sid: the value is not UTF-8".to_owned()));
}

#[test]
fn a_flag_overrides_a_variable_overrides_the_file_overrides_the_default() {
    let file = "tenant: { sid: 0089 }\nport: 1\nwaiting-limit: 1KiB\nkafka:\n  enabled: true\n";
    let given = Given::new()
        .file(file)
        .variable("IXN_PORT", "2")
        .variable("IXN_WAITING_LIMIT", "2KiB")
        .flags(&["--port", "3"]);
    let Settings { options, .. } = given.load().unwrap();
    assert_eq!(options.tenant_sid, "0089");
    assert_eq!(options.port, 3);
    assert_eq!(options.waiting_limit, ByteSize::new(2048));
    assert!(options.kafka_enabled);
    assert_eq!(options.agent_reconnect_timeout, TimeSpan::from_seconds(60));
    assert!(options.database_url.is_none());
    let off = given.flags(&["--kafka-enabled", "false"]).load().unwrap();
    assert!(!off.options.kafka_enabled);
}

#[test]
fn the_file_may_be_named_by_a_variable() {
    let given = Given::new();
    let path = given.write("ixn.yaml", "tenant-sid: t1\n");
    assert_eq!(given.variable("IXN_SETTINGS", path).load().unwrap().options.tenant_sid, "t1");
}

#[test]
fn lists_come_from_every_layer_and_replace_each_other_whole() {
    let given = Given::new().file("tenant-sid: t1\nredis:\n  nodes:\n    - a:1\n    - b:2\n");
    assert_eq!(given.load().unwrap().options.redis_nodes, ["a:1", "b:2"]);
    let given = given.variable("IXN_REDIS_NODES", "c:3,d:4,e:5");
    assert_eq!(given.load().unwrap().options.redis_nodes, ["c:3", "d:4", "e:5"]);
    let given = given.flags(&["--redis-nodes", "f:6"]);
    assert_eq!(given.load().unwrap().options.redis_nodes, ["f:6"]);
}

#[test]
fn a_switch_without_value_can_be_set_in_the_file() {
    assert!(Given::new().file("tenant-sid: t1\nverbose: true\n").load().unwrap().options.verbose);
    assert!(!Given::new().file("tenant-sid: t1\nverbose: false\n").load().unwrap().options.verbose);
}

#[test]
fn empty_values_count_as_not_set() {
    let given = Given::new().file("tenant-sid: t1\nport:\nkafka:\n").variable("IXN_WAITING_LIMIT", "");
    let options = given.load().unwrap().options;
    assert_eq!((options.port, options.waiting_limit.bytes()), (7120, 64 << 20));
}

#[test]
fn every_mistake_is_reported_with_its_place() {
    let file = "tenant-sid: t1\nport: many\nagent-reconnect: { timeout: 5m }\nredis-node: x\nwaiting-limit: [1]\n\
                kafka: {enabled: on}\n";
    let given = Given::new().file(file).variable("IXN_LOG_FORMAT", "xml");
    let refusal = given.refusal();
    let mut lines: Vec<&str> = refusal.lines().collect();
    lines.sort_unstable();
    assert_eq!(
        lines,
        [
            "ixn.yaml:2:7: port: \"many\" is not accepted: invalid digit found in string",
            "ixn.yaml:3:29: agent-reconnect-timeout: \"5m\" is not accepted: write whole numbers, each with one of \
             d, h, min, s, ms, such as 30s or 1h30min (a bare number is seconds)",
            "ixn.yaml:4:1: redis-node: there is no such setting; did you mean 'redis-nodes'?",
            "ixn.yaml:5:16: waiting-limit: this is one value, not a list",
            "ixn.yaml:6:18: kafka-enabled: \"on\" is not accepted, write one of true, false",
            "variable IXN_LOG_FORMAT: log-format: \"xml\" is not accepted, write one of auto, text, json",
        ]
    );
}

#[test]
fn broken_files_are_reported_with_their_place() {
    assert!(Given::new().file("a: [1\nb: 2\n").refusal().starts_with("ixn.yaml:2:"));
    let missing = Given::new().flags(&["--settings", "/nowhere/ixn.yaml"]).refusal();
    assert!(missing.starts_with("cannot read the settings file /nowhere/ixn.yaml: "), "{missing}");
}

#[test]
fn what_is_required_may_come_from_any_layer() {
    let refusal = Given::new().refusal();
    assert!(refusal.contains("--tenant-sid <TENANT_SID>"), "{refusal}");
    assert_eq!(Given::new().variable("IXN_TENANT_SID", "t2").load().unwrap().options.tenant_sid, "t2");
    assert_eq!(Given::new().flags(&["--tenant-sid", "t3"]).load().unwrap().options.tenant_sid, "t3");
}

#[test]
fn a_secret_comes_from_a_file_or_a_variable() {
    let given = Given::new().flags(&["--tenant-sid", "t1"]);
    let path = given.write("password", "open sesame\n");
    let password =
        |given: &Given| given.load().unwrap().options.database_password.unwrap().expose().to_owned();

    let given = given.flags(&["--database-password-file", path.to_str().unwrap()]);
    assert_eq!(password(&given), "open sesame");

    let yaml = format!("tenant-sid: t1\ndatabase: {{ password-file: {} }}\n", path.display());
    assert_eq!(password(&Given::new().file(&yaml)), "open sesame");

    let given = Given::new().flags(&["--tenant-sid", "t1"]).variable("IXN_DATABASE_PASSWORD_FILE", &path);
    assert_eq!(password(&given), "open sesame");

    let given =
        Given::new().flags(&["--tenant-sid", "t1"]).variable("IXN_DATABASE_PASSWORD", "from variable");
    assert_eq!(password(&given), "from variable");

    let refusal = Given::new().file(&yaml).variable("IXN_DATABASE_PASSWORD", "from variable").refusal();
    assert_eq!(
        refusal,
        "variable IXN_DATABASE_PASSWORD: database-password-file: the secret is also given as a file \
         (ixn.yaml:2:28), keep one"
    );
    let refusal = Given::new().file("tenant-sid: t1\ndatabase-password: open sesame\n").refusal();
    assert_eq!(refusal, "ixn.yaml:2:1: database-password: there is no such setting, --help lists all");
    let refusal = Given::new().file("tenant-sid: t1\ndatabase-password-file: /nowhere/password\n").refusal();
    assert!(
        refusal.starts_with("ixn.yaml:2:25: database-password-file: cannot read the secret"),
        "{refusal}"
    );
    let refusal = Given::new()
        .flags(&["--tenant-sid", "t1", "--database-password-file", "/nowhere/password"])
        .refusal();
    assert!(refusal.contains("cannot read the secret from /nowhere/password"), "{refusal}");
}

#[test]
fn the_settings_in_force_are_printed_with_their_origin_and_without_secrets() {
    let given = Given::new()
        .file("tenant: { sid: 0089 }\nredis-nodes: [a:1, b:2]\n")
        .variable("DATABASE_URL", "postgres://ixn:open@db/ixn")
        .variable("IXN_DATABASE_PASSWORD", "sesame")
        .flags(&["--port", "7", "--print-settings"]);
    assert!(given.load().unwrap().print_requested);
    assert_eq!(
        given.print(),
        "tenant-sid: 0089  # ixn.yaml:1:16\n\
         port: 7  # flag\n\
         agent-reconnect-timeout: 60s  # default\n\
         waiting-limit: 64MiB  # default\n\
         redis-nodes: [a:1, b:2]  # ixn.yaml:2:14\n\
         kafka-enabled: false  # default\n\
         verbose: false  # default\n\
         log-format: auto  # default\n\
         database-url: \"postgres://ixn:***@db/ixn\"  # variable DATABASE_URL\n\
         database-password-file: \"***\"  # variable IXN_DATABASE_PASSWORD\n"
    );
    let debug = format!("{:?}", given.load().unwrap());
    assert!(!debug.contains("sesame"), "{debug}");
    assert!(Given::new().flags(&["--tenant-sid", "t"]).print().contains("# database-url: not set\n"));
}

#[test]
fn help_lists_every_option_with_default_and_variable() {
    let given = Given::new().variable("DATABASE_URL", "postgres://ixn:open@db/ixn").variable("IXN_PORT", "9");
    for (flag, gap) in [("--help", "\n          \n          "), ("-h", " ")] {
        let error =
            Given { flags: vec!["ixn-test".into(), flag.into()], ..given_like(&given) }.load().unwrap_err();
        let SettingsError::CommandLine(error) = error else { panic!("{error}") };
        assert_eq!(error.exit_code(), 0);
        let help = error.to_string();
        for expected in [
            "--port <PORT>",
            &format!("Where clients connect [env: IXN_PORT]{gap}[default: 7120]"),
            "[env: DATABASE_URL]",
            "[env: IXN_DATABASE_PASSWORD_FILE, IXN_DATABASE_PASSWORD]",
            "[env: IXN_SETTINGS]",
            "[default: 60s]",
            "--print-settings",
        ] {
            assert!(help.contains(expected), "{expected:?} is missing in\n{help}");
        }
        assert!(!help.contains("open@"), "{help}");
    }
}

fn given_like(given: &Given) -> Given {
    Given { variables: given.variables.clone(), ..Given::new() }
}

#[test]
fn what_options_say_together_is_told_at_its_place_unless_one_is_wrong_by_itself() {
    let given = Given::new().file("tenant-sid: t1\nport: 81\n");
    assert_eq!(given.refusal(), "ixn.yaml:2:7: port: port 81 needs Redis, choose another");
    let given = given.flags(&["--port", "many", "--waiting-limit", "2MB", "--log-format=xml", "--verbose"]);
    let lines: Vec<String> = given.refusal().lines().map(str::to_owned).collect();
    assert_eq!(
        lines,
        [
            "--port: \"many\" is not accepted: invalid digit found in string",
            "--waiting-limit: \"2MB\" is not accepted: write a whole number and one of B, KiB, MiB, GiB, TiB, such as \
             64MiB (a bare number is bytes)",
            "--log-format: \"xml\" is not accepted, write one of auto, text, json",
        ]
    );
}

/// A command that checks everything goes on with what is right.
#[test]
fn settings_with_mistakes_can_be_looked_at() {
    let given = Given::new()
        .flags(&["--tenant-sid", "t1", "check-config", "--port", "many"])
        .variable("IXN_WAITING_LIMIT", "1KB")
        .variable("IXN_LOG_FORMAT", "json");
    let checked = given.check().unwrap();
    assert!(checked.is_wrong("port") && checked.is_wrong("waiting-limit") && !checked.is_wrong("log-format"));
    assert_eq!(checked.problems.len(), 2, "{:?}", checked.problems);
    let options = checked.settings.options;
    assert!(matches!(options.command, Some(Subcommand::CheckConfig)));
    assert_eq!((options.port, &*options.log_format), (7120, "json"));
}

#[test]
fn a_misspelt_variable_is_known_with_the_nearest_name() {
    let settings = Given::new()
        .variable("IXN_TENANT_SID", "t1")
        .variable("IXN_WAITING_LIMT", "1KB")
        .variable("IXN_DATABASE_PASSWORD", "sesame")
        .variable("DATABASE_URL", "x")
        .load()
        .unwrap();
    let told: Vec<_> = settings.unknown_variables.iter().map(ToString::to_string).collect();
    assert_eq!(told, ["the variable IXN_WAITING_LIMT sets nothing; did you mean IXN_WAITING_LIMIT?"]);
}

#[test]
fn a_subcommand_leaves_the_options_as_they_are() {
    let given = Given::new().file("tenant-sid: t1\nport: 80\n").flags(&["check-config"]);
    let options = given.load().unwrap().options;
    assert!(matches!(options.command, Some(Subcommand::CheckConfig)));
    assert_eq!(options.port, 80);

    let mut given = Given::new().flags(&["check-config", "--settings"]);
    let path = given.write("later.yaml", "tenant-sid: t2\n").display().to_string();
    given.flags.push(path);
    assert_eq!(given.load().unwrap().options.tenant_sid, "t2");

    let given = Given::new().file("tenant-sid: t1\nlog-format: json\n").flags(&["check-config"]);
    assert_eq!(given.load().unwrap().options.log_format, "json");
    let given = given.flags(&["--log-format", "text"]);
    let settings = given.load().unwrap();
    assert_eq!((&*settings.options.log_format, settings.origin("log-format")), ("text", Origin::Flag));
}

/// Runs this test again as a process of its own, where it ends the process.
#[test]
fn wrong_settings_end_the_process_with_64_and_help_with_0() {
    const CHILD: &str = "IXN_SETTINGS_TEST_FLAG";
    if let Ok(flag) = std::env::var(CHILD) {
        Given::new()
            .flags(&["--tenant-sid", "t1", &flag])
            .variable("IXN_PORT", "many")
            .load()
            .unwrap_err()
            .exit()
    }
    let run = |flag: &str| {
        let mut command = std::process::Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "wrong_settings_end_the_process_with_64_and_help_with_0", "--nocapture"]);
        let output = command.env(CHILD, flag).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code(), text(output.stdout), text(output.stderr))
    };
    let (code, _, errors) = run("--verbose");
    let expected = "variable IXN_PORT: port: \"many\" is not accepted: invalid digit found in string\n";
    assert_eq!((code, &*errors), (Some(EXIT_CODE), expected));
    let (code, _, errors) = run("--verbos");
    assert_eq!(code, Some(64), "{errors}");
    assert!(errors.contains("'--verbose'"), "{errors}");
    let (code, output, errors) = run("--help");
    assert_eq!((code, &*errors), (Some(0), ""));
    assert!(output.contains("--print-settings"), "{output}");
}

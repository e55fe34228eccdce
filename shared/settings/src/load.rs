//! One table of options, three places where values may stand.

use std::any::TypeId;
use std::collections::HashMap;
use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::ValueParser;
use clap::error::{ContextKind, ContextValue};
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command};

use crate::error::{Problem, SettingsError};
use crate::file::{self, Entry, Value};
use crate::origin::Origin;
use crate::print::{EffectiveSetting, EffectiveSettings, without_passwords};
use crate::secret::Secret;

const SETTINGS: &str = "settings";
const PRINT_SETTINGS: &str = "print-settings";

/// The settings of a service, and where each came from.
#[derive(Debug)]
pub struct Settings<O> {
    /// The options, as the service declares them.
    pub options: O,
    /// Every option as text, with its origin.
    pub effective: EffectiveSettings,
    /// `--print-settings` was given.
    pub print_requested: bool,
}

impl<O> Settings<O> {
    /// Where the value of the option `name` (without dashes in front) came from.
    #[must_use]
    pub fn origin(&self, name: &str) -> Origin {
        let setting = self.effective.iter().find(|setting| setting.name == name);
        setting.map_or(Origin::NotSet, |setting| setting.origin.clone())
    }

    /// A mistake that only the service can see, such as two options that exclude each other, reported
    /// like the others: with the place where the option `name` was given.
    #[must_use]
    pub fn problem(&self, name: &str, message: impl Into<String>) -> Problem {
        Problem { origin: self.origin(name), name: name.to_owned(), message: message.into() }
    }
}

/// Loads the settings of this process. Ends it when they are wrong (exit code [`crate::EXIT_CODE`]), and after
/// `--help`, `--version` and `--print-settings` (0).
pub fn from_process<O: clap::Parser>(prefix: &str) -> Settings<O> {
    match load::<O>(prefix, std::env::args_os(), &|name| std::env::var_os(name)) {
        Ok(settings) if settings.print_requested => {
            print!("{}", settings.effective);
            std::process::exit(0)
        }
        Ok(settings) => settings,
        Err(error) => error.exit(),
    }
}

/// Loads settings from `arguments` (the first one is the program's name), `environment` and the file that
/// one of them names.
///
/// `prefix` begins the name of every variable, `IXN_`. An empty variable and an empty value in the file
/// count as not set. Every wrong value is reported, not only the first.
///
/// # Errors
/// The command line is wrong or asks for help; the file cannot be read; a value is wrong.
pub fn load<O: clap::Parser>(
    prefix: &str,
    arguments: impl IntoIterator<Item = OsString>,
    environment: &dyn Fn(&str) -> Option<OsString>,
) -> Result<Settings<O>, SettingsError> {
    let command = add_own_options(O::command(), prefix);
    let table = option_table(&command, prefix);
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let variable = |name: &str| environment(name).filter(|value| !value.is_empty());

    let flags = read_flags(command.clone(), &table, &arguments)?;
    let settings_file = flags
        .get_one::<PathBuf>(SETTINGS)
        .cloned()
        .or_else(|| variable(&variable_name(prefix, SETTINGS)).map(PathBuf::from));
    let entries = settings_file.as_deref().map(file::read).transpose()?.unwrap_or_default();

    let mut layers = Layers { command, problems: unknown_entries(&table, &entries), origins: HashMap::new() };
    let entries: HashMap<&str, &Entry> = entries.iter().map(|entry| (&*entry.name, entry)).collect();
    for option in &table {
        let flag = flags.value_source(&option.id) == Some(ValueSource::CommandLine);
        let entry = entries.get(&*option.name).copied();
        layers.settle(option, flag, &variable, entry);
    }
    if !layers.problems.is_empty() {
        return Err(SettingsError::Invalid(layers.problems));
    }

    let mut matches = layers.command.try_get_matches_from(&arguments)?;
    let effective = table.iter().map(|option| option.effective(&matches, &layers.origins)).collect();
    let print_requested = matches.get_flag(PRINT_SETTINGS);
    let options = O::from_arg_matches_mut(&mut matches)?;
    Ok(Settings { options, effective: EffectiveSettings(effective), print_requested })
}

/// What the table knows of one option.
struct OptionRow {
    id: String,
    name: String,
    variable: String,
    /// The variable that holds the secret itself.
    secret_variable: Option<String>,
    secret: bool,
    list: bool,
    delimiter: Option<char>,
    required: bool,
    parser: ValueParser,
}

fn variable_name(prefix: &str, name: &str) -> String {
    format!("{prefix}{}", name.to_uppercase().replace('-', "_"))
}

fn add_own_options(command: Command, prefix: &str) -> Command {
    let settings = Arg::new(SETTINGS)
        .long(SETTINGS)
        .value_name("FILE")
        .value_parser(clap::value_parser!(PathBuf))
        .global(true)
        .help(format!("YAML file with settings [env: {}]", variable_name(prefix, SETTINGS)));
    let print = Arg::new(PRINT_SETTINGS)
        .long(PRINT_SETTINGS)
        .action(ArgAction::SetTrue)
        .global(true)
        .help("Print every setting with where it came from, and exit");
    command.arg(settings).arg(print)
}

fn option_table(command: &Command, prefix: &str) -> Vec<OptionRow> {
    let mut built = command.clone();
    built.build();
    let settable = |option: &&Arg| {
        use ArgAction::{Append, Set, SetFalse, SetTrue};
        let own = [SETTINGS, PRINT_SETTINGS].contains(&option.get_id().as_str());
        !own && matches!(option.get_action(), Set | Append | SetTrue | SetFalse)
    };
    built.get_arguments().filter(settable).filter_map(|option| option_row(option, prefix)).collect()
}

/// Nothing for positional arguments: they have no name.
fn option_row(option: &Arg, prefix: &str) -> Option<OptionRow> {
    let name = option.get_long()?;
    let declared = option.get_env().map(|name| name.to_string_lossy().into_owned());
    let secret = option.get_value_parser().type_id() == TypeId::of::<Secret>();
    let secret_name = name.strip_suffix("-file").filter(|_| secret);
    Some(OptionRow {
        id: option.get_id().to_string(),
        name: name.to_owned(),
        variable: declared.unwrap_or_else(|| variable_name(prefix, name)),
        secret_variable: secret_name.map(|name| variable_name(prefix, name)),
        secret,
        list: matches!(option.get_action(), ArgAction::Append)
            || option.get_num_args().is_some_and(|count| count.max_values() > 1),
        delimiter: option.get_value_delimiter(),
        required: option.is_required_set(),
        parser: option.get_value_parser().clone(),
    })
}

/// The first reading of the command line: for `--help`, for the name of the file, and for which options are
/// given. Nothing is required yet and secrets are not opened, so that a pipe can hold one.
fn read_flags(
    mut command: Command,
    table: &[OptionRow],
    arguments: &[OsString],
) -> Result<ArgMatches, SettingsError> {
    for row in table {
        command = command.mut_arg(&row.id, |option| {
            let option = option.env(None).required(false);
            let option = if row.secret { option.value_parser(ValueParser::os_string()) } else { option };
            let also = row.secret_variable.as_ref().map(|name| format!(", {name}")).unwrap_or_default();
            let twin = format!("[env: {}{also}]", row.variable);
            let with_twin = |help: &clap::builder::StyledStr| format!("{help} {twin}");
            let short = option.get_help().map_or_else(|| twin.clone(), with_twin);
            let long = option.get_long_help().map(with_twin);
            let option = option.help(short);
            if let Some(long) = long { option.long_help(long) } else { option }
        });
    }
    Ok(command.try_get_matches_from(arguments)?)
}

fn unknown_entries(table: &[OptionRow], entries: &[Entry]) -> Vec<Problem> {
    let known = |entry: &&Entry| {
        let group = format!("{}-", entry.name);
        table.iter().any(|row| {
            row.name == entry.name || (entry.value == Value::Nothing && row.name.starts_with(&group))
        })
    };
    let unknown = entries.iter().filter(|entry| !known(entry));
    unknown
        .map(|entry| Problem {
            origin: Origin::File(entry.key_at.clone()),
            name: entry.name.clone(),
            message: "there is no such setting, --help lists all".to_owned(),
        })
        .collect()
}

/// The command while values from the file and the environment become its defaults.
struct Layers {
    command: Command,
    problems: Vec<Problem>,
    origins: HashMap<String, Origin>,
}

impl Layers {
    /// Finds the value of one option: flag, else variable, else file, else default.
    fn settle(
        &mut self,
        row: &OptionRow,
        flag: bool,
        variable: &dyn Fn(&str) -> Option<OsString>,
        entry: Option<&Entry>,
    ) {
        let from_file = entry.and_then(|entry| match &entry.value {
            Value::Nothing => None,
            Value::Text(text) => Some((Origin::File(entry.value_at.clone()), vec![text.clone()], false)),
            Value::List(texts) => Some((Origin::File(entry.value_at.clone()), texts.clone(), true)),
        });
        let from_variable = variable(&row.variable).map(|value| {
            let text = value.to_string_lossy().into_owned();
            (Origin::Variable(row.variable.clone()), vec![text], false)
        });
        let given = from_variable.or(from_file);
        self.command = std::mem::take(&mut self.command).mut_arg(&row.id, |option| option.env(None));

        let secret_itself = row.secret_variable.as_deref().and_then(|name| Some((name, variable(name)?)));
        if let Some((name, secret)) = secret_itself {
            let origin = Origin::Variable(name.to_owned());
            if flag || given.is_some() {
                let other = if flag { Origin::Flag } else { given.map_or(Origin::NotSet, |given| given.0) };
                self.problem(row, origin, format!("the secret is also given as a file ({other}), keep one"));
            } else if let Some(secret) = secret.to_str() {
                self.use_secret(row, origin, Secret::new(secret.to_owned()));
            } else {
                self.problem(row, origin, "the secret is not UTF-8".to_owned());
            }
        } else if flag {
            self.origins.insert(row.id.clone(), Origin::Flag);
        } else if let Some((origin, texts, written_as_list)) = given {
            if written_as_list && !row.list {
                self.problem(row, origin, "this is one value, not a list".to_owned());
            } else if row.secret {
                match Secret::read(std::path::Path::new(&texts.concat())) {
                    Ok(secret) => self.use_secret(row, origin, secret),
                    Err(error) => self.problem(row, origin, error.to_string()),
                }
            } else {
                self.use_texts(row, origin, texts);
            }
        }
    }

    fn use_texts(&mut self, row: &OptionRow, origin: Origin, texts: Vec<String>) {
        let split = |text: &String| match row.delimiter {
            Some(delimiter) => text.split(delimiter).map(str::to_owned).collect(),
            None => vec![text.clone()],
        };
        let pieces: Vec<String> = texts.iter().flat_map(split).collect();
        let wrong: Vec<String> = pieces.iter().filter_map(|text| why_refused(&row.parser, text)).collect();
        if !wrong.is_empty() {
            wrong.into_iter().for_each(|message| self.problem(row, origin.clone(), message));
            return;
        }
        self.default(row, origin, |option| option.default_values(pieces));
    }

    fn use_secret(&mut self, row: &OptionRow, origin: Origin, secret: Secret) {
        let parser = move |_: &str| Ok::<Secret, std::convert::Infallible>(secret.clone());
        self.default(row, origin, |option| option.value_parser(parser).default_value("***"));
    }

    fn default(&mut self, row: &OptionRow, origin: Origin, set: impl FnOnce(Arg) -> Arg) {
        let command = std::mem::take(&mut self.command);
        self.command = command
            .mut_arg(&row.id, |option| set(if row.required { option.required(false) } else { option }));
        self.origins.insert(row.id.clone(), origin);
    }

    fn problem(&mut self, row: &OptionRow, origin: Origin, message: String) {
        self.problems.push(Problem { origin, name: row.name.clone(), message });
    }
}

/// Asks the option's own parser; the answer says why it refuses `text`.
fn why_refused(parser: &ValueParser, text: &str) -> Option<String> {
    let probe = Arg::new("value").long("value").action(ArgAction::Set).value_parser(parser.clone());
    let command = Command::new("value").no_binary_name(true).arg(probe);
    let error = command.try_get_matches_from([format!("--value={text}")]).err()?;
    let reason = match (std::error::Error::source(&error), error.get(ContextKind::ValidValue)) {
        (Some(source), _) => format!(": {source}"),
        (None, Some(ContextValue::Strings(accepted))) => format!(", write one of {}", accepted.join(", ")),
        _ => String::new(),
    };
    Some(format!("{:?} is not accepted{reason}", without_passwords(text)))
}

impl OptionRow {
    fn effective(&self, matches: &ArgMatches, origins: &HashMap<String, Origin>) -> EffectiveSetting {
        let raw = matches.get_raw(&self.id);
        let origin = match (origins.get(&self.id), &raw) {
            (Some(origin), _) => origin.clone(),
            (None, Some(_)) => Origin::Default,
            (None, None) => Origin::NotSet,
        };
        // For a secret from the command line this is its path; every other one is "***" already.
        let values =
            raw.into_iter().flatten().map(|value| without_passwords(&value.to_string_lossy())).collect();
        EffectiveSetting { name: self.name.clone(), values, list: self.list, origin }
    }
}

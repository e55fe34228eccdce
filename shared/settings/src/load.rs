//! One table of options, three places where values may stand.

use std::any::TypeId;
use std::collections::HashMap;
use std::ffi::OsString;
use std::io::Write as _;
use std::path::PathBuf;

use clap::builder::ValueParser;
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command};
use ixn_suggestion::nearest;

use crate::conflict::{Conflict, Conflicts};
use crate::error::{Problem, SettingsError};
use crate::file::{self, Entry, Value};
use crate::layers::Layers;
use crate::origin::Origin;
use crate::print::{EffectiveSetting, EffectiveSettings, without_passwords};
use crate::secret::Secret;
use crate::variables::{UnknownVariable, unknown_variables};

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
    /// Variables with the prefix that set nothing.
    pub unknown_variables: Vec<UnknownVariable>,
}

impl<O> Settings<O> {
    /// Where the value of the option `name` (without dashes in front) came from.
    #[must_use]
    pub fn origin(&self, name: &str) -> Origin {
        let setting = self.effective.iter().find(|setting| setting.name == name);
        setting.map_or(Origin::NotSet, |setting| setting.origin.clone())
    }
}

/// Settings in which there may be mistakes.
#[derive(Debug)]
pub struct Checked<O> {
    /// The settings; an option with a mistake has its default. They are good for looking further, not for work.
    pub settings: Settings<O>,
    /// Every mistake.
    pub problems: Vec<Problem>,
}

impl<O> Checked<O> {
    /// Whether something is wrong with the option `name` (without dashes in front).
    #[must_use]
    pub fn is_wrong(&self, name: &str) -> bool {
        self.problems.iter().any(|problem| problem.name == name)
    }

    /// The settings when there is no mistake.
    ///
    /// # Errors
    /// All mistakes.
    pub fn without_problems(self) -> Result<Settings<O>, SettingsError> {
        if self.problems.is_empty() { Ok(self.settings) } else { Err(SettingsError::Invalid(self.problems)) }
    }
}

/// Loads the settings of this process, with every mistake. Ends it when they cannot be read at all (exit code
/// [`crate::EXIT_CODE`]), and after `--help`, `--version` and `--print-settings` (0).
pub fn from_process<O: clap::Parser>(prefix: &str, conflicts: Conflicts<O>) -> Checked<O> {
    let variables: Vec<(OsString, OsString)> = std::env::vars_os().collect();
    match check::<O>(prefix, std::env::args_os(), &variables, conflicts) {
        Ok(checked) if checked.settings.print_requested && checked.problems.is_empty() => {
            // Whoever has read enough may close the pipe.
            let _ = write!(std::io::stdout(), "{}", checked.settings.effective);
            std::process::exit(0)
        }
        Ok(checked) => checked,
        Err(error) => error.exit(),
    }
}

/// Loads settings from `arguments` (the first one is the program's name), environment `variables` and the file that
/// one of them names. Every wrong value is told, not only the first, and what `conflicts` finds.
///
/// `prefix` begins the name of every variable, `IXN_`. An empty variable and an empty value in the file
/// count as not set.
///
/// # Errors
/// The command line cannot be taken apart or asks for help; the file cannot be read; something that is needed is missing.
pub fn check<O: clap::Parser>(
    prefix: &str,
    arguments: impl IntoIterator<Item = OsString>,
    variables: &[(OsString, OsString)],
    conflicts: Conflicts<O>,
) -> Result<Checked<O>, SettingsError> {
    let command = add_own_options(O::command(), prefix);
    let table = option_table(&command, prefix);
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let variable = |name: &str| {
        let (_, value) = variables.iter().find(|(known, value)| known == name && !value.is_empty())?;
        Some(value.clone())
    };

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
        layers.settle(option, flag.then_some(&flags), &variable, entry);
    }

    let Layers { command, problems, origins } = layers;
    let matched = command.try_get_matches_from(&arguments);
    if let (Err(_), false) = (&matched, problems.is_empty()) {
        return Err(SettingsError::Invalid(problems));
    }
    let mut matches = matched?;
    let effective = table.iter().map(|option| option.effective(&matches, &origins)).collect();
    let settings = Settings {
        print_requested: matches.get_flag(PRINT_SETTINGS),
        options: O::from_arg_matches_mut(&mut matches)?,
        effective: EffectiveSettings(effective),
        unknown_variables: unknown_variables(prefix, &known_variables(&table, prefix), variables),
    };
    let mut checked = Checked { settings, problems };
    let conflicts = conflicts(&checked.settings.options).into_iter();
    // A value that stands in for a wrong one is nobody's wish.
    let is_meant = |conflict: &Conflict| !conflict.options.iter().any(|name| checked.is_wrong(name));
    let meant: Vec<Problem> = conflicts
        .filter(is_meant)
        .map(|Conflict { options, message }| {
            let name = options.first().copied().unwrap_or_default();
            Problem { origin: checked.settings.origin(name), name: name.to_owned(), message }
        })
        .collect();
    checked.problems.extend(meant);
    Ok(checked)
}

/// The names of all variables that set something.
fn known_variables(table: &[OptionRow], prefix: &str) -> Vec<String> {
    let of_options = table.iter().flat_map(|row| [Some(row.variable.clone()), row.secret_variable.clone()]);
    of_options.flatten().chain([variable_name(prefix, SETTINGS)]).collect()
}

/// What the table knows of one option.
pub(crate) struct OptionRow {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) variable: String,
    /// The variable that holds the secret itself.
    pub(crate) secret_variable: Option<String>,
    pub(crate) secret: bool,
    pub(crate) list: bool,
    pub(crate) delimiter: Option<char>,
    pub(crate) takes_value: bool,
    pub(crate) required: bool,
    pub(crate) parser: ValueParser,
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
    // So that every command can be given what the service itself is given. What is required cannot be global.
    let after_subcommands = |option: Arg| {
        let is_possible = option.get_long().is_some() && !option.is_required_set();
        if is_possible { option.global(true) } else { option }
    };
    command.mut_args(after_subcommands).arg(settings).arg(print)
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
        takes_value: matches!(option.get_action(), ArgAction::Set | ArgAction::Append),
        required: option.is_required_set(),
        parser: option.get_value_parser().clone(),
    })
}

/// The first reading of the command line: for `--help`, for the name of the file, and for which options are
/// given. Nothing is required yet, values are not looked at, and secrets are not opened, so that a pipe can hold one.
fn read_flags(
    mut command: Command,
    table: &[OptionRow],
    arguments: &[OsString],
) -> Result<ArgMatches, SettingsError> {
    for row in table {
        command = command.mut_arg(&row.id, |option| {
            let option = option.env(None).required(false);
            let also = row.secret_variable.as_ref().map(|name| format!(", {name}")).unwrap_or_default();
            let twin = format!("[env: {}{also}]", row.variable);
            let with_twin = |help: &clap::builder::StyledStr| format!("{help} {twin}");
            let short = option.get_help().map_or_else(|| twin.clone(), with_twin);
            let long = option.get_long_help().map(with_twin);
            let option = option.help(short);
            if let Some(long) = long { option.long_help(long) } else { option }
        });
    }
    // Help tells the values that are possible.
    let with_values = command.clone();
    for row in table.iter().filter(|row| row.takes_value) {
        command = command
            .mut_arg(&row.id, |option| option.value_parser(ValueParser::os_string()).default_value(None));
    }
    let matches = command.try_get_matches_from(arguments);
    matches.map_err(|error| with_values.try_get_matches_from(arguments).err().unwrap_or(error).into())
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
            message: match nearest(&entry.name, table.iter().map(|row| &*row.name)) {
                Some(meant) => format!("there is no such setting; did you mean '{meant}'?"),
                None => "there is no such setting, --help lists all".to_owned(),
            },
        })
        .collect()
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

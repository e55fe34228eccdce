//! The values of options from their layers, checked one by one.

use std::collections::HashMap;
use std::ffi::OsString;

use clap::builder::ValueParser;
use clap::error::{ContextKind, ContextValue};
use clap::{Arg, ArgAction, ArgMatches, Command};

use crate::error::Problem;
use crate::file::{Entry, Value};
use crate::load::OptionRow;
use crate::origin::Origin;
use crate::print::without_passwords;
use crate::secret::Secret;

/// The command while values from the file and the environment become its defaults.
pub(crate) struct Layers {
    pub(crate) command: Command,
    pub(crate) problems: Vec<Problem>,
    pub(crate) origins: HashMap<String, Origin>,
}

impl Layers {
    /// Finds the value of one option: flag (when it is in `flags`), else variable, else file, else default.
    pub(crate) fn settle(
        &mut self,
        row: &OptionRow,
        flags: Option<&ArgMatches>,
        variable: &dyn Fn(&str) -> Option<OsString>,
        entry: Option<&Entry>,
    ) {
        self.command = std::mem::take(&mut self.command).mut_arg(&row.id, |option| option.env(None));
        let from_file = entry.and_then(|entry| match &entry.value {
            Value::Nothing => None,
            Value::Text(text) => Some((Origin::File(entry.value_at.clone()), vec![text.clone()], false)),
            Value::List(texts) => Some((Origin::File(entry.value_at.clone()), texts.clone(), true)),
        });
        let from_variable = match variable(&row.variable).map(OsString::into_string).transpose() {
            Ok(text) => text.map(|text| (Origin::Variable(row.variable.clone()), vec![text], false)),
            Err(_) if flags.is_some() => None,
            Err(_) => {
                let origin = Origin::Variable(row.variable.clone());
                return self.problem(row, origin, "the value is not UTF-8".to_owned());
            }
        };
        let given = from_variable.or(from_file);

        let secret_itself = row.secret_variable.as_deref().and_then(|name| Some((name, variable(name)?)));
        if let Some((name, secret)) = secret_itself {
            let origin = Origin::Variable(name.to_owned());
            if flags.is_some() || given.is_some() {
                let other = match flags {
                    Some(_) => Origin::Flag,
                    None => given.map_or(Origin::NotSet, |given| given.0),
                };
                self.problem(row, origin, format!("the secret is also given as a file ({other}), keep one"));
            } else if let Some(secret) = secret.to_str() {
                self.use_secret(row, origin, Secret::new(secret.to_owned()));
            } else {
                self.problem(row, origin, "the secret is not UTF-8".to_owned());
            }
        } else if let Some(flags) = flags {
            self.origins.insert(row.id.clone(), Origin::Flag);
            self.check_flag(row, flags);
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

    /// Tells what is wrong with the values of a flag, and makes the last reading of the command line pass it over.
    fn check_flag(&mut self, row: &OptionRow, flags: &ArgMatches) {
        if !row.takes_value {
            return;
        }
        let values = flags.get_raw(&row.id).into_iter().flatten();
        let wrong: Vec<String> =
            values.filter_map(|value| why_refused(&row.parser, &value.to_string_lossy())).collect();
        if wrong.is_empty() {
            return;
        }
        wrong.into_iter().for_each(|message| self.problem(row, Origin::Flag, message));
        let ignored = format!("ignored-{}", row.name);
        let stand_in = Arg::new(ignored.clone())
            .long(row.name.clone())
            .action(ArgAction::Append)
            .value_parser(ValueParser::os_string())
            .global(!row.required);
        let command = std::mem::take(&mut self.command);
        self.command = command.mut_arg(&row.id, |option| option.long(ignored)).arg(stand_in);
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

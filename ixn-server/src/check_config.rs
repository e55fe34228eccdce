//! `check-config`: everything that would keep a server from starting, in one pass. It binds nothing and changes nothing.

use ixn_configuration::Configuration;
use ixn_engine::compile::Compiler;
use ixn_engine::vocabulary::Vocabulary;
use ixn_settings::Checked;
use ixn_store::{Inspection, OpenOptions};

use crate::settings::Options;
use crate::takeover::{holder, shown_database};

/// What was found.
#[derive(Debug)]
pub struct Findings {
    /// Mistakes in the settings and in the configuration file, one line each.
    pub mistakes: Vec<String>,
    /// What the database is, or why it cannot be used; none when its address or folder is a mistake already.
    pub database: Option<Result<String, String>>,
}

/// Checks settings, configuration file and database.
pub async fn check_config(checked: &Checked<Options>) -> Findings {
    let options = &checked.settings.options;
    let mut mistakes: Vec<String> = checked.problems.iter().map(ToString::to_string).collect();
    mistakes.extend(configuration_mistakes(options));
    let is_database_known = !checked.is_wrong("database-url") && !checked.is_wrong("data-dir");
    let database = if is_database_known { Some(look_at_database(options).await) } else { None };
    Findings { mistakes, database }
}

fn configuration_mistakes(options: &Options) -> Vec<String> {
    let read = match &options.config {
        Some(path) => Configuration::read(path),
        None => Configuration::sample(),
    };
    let configuration = match read {
        Ok(configuration) => configuration,
        Err(problems) => return problems.as_slice().iter().map(ToString::to_string).collect(),
    };
    // What the server itself makes of it: no row is named after this vocabulary.
    let vocabulary = Vocabulary::new(i64::from(options.tenant_dbid), "CHECKS".into());
    Compiler::new(&vocabulary)
        .compile(&configuration)
        .err()
        .map(|error| error.to_string())
        .into_iter()
        .collect()
}

async fn look_at_database(options: &Options) -> Result<String, String> {
    let shown = shown_database(options);
    let open = OpenOptions { allow_unsafe_durability: options.allow_unsafe_durability, holder: holder() };
    match ixn_store::inspect(&options.database(), &open).await {
        Ok(Inspection { info, schema_version }) => {
            let schema = match schema_version {
                0 => "nothing in it yet, the server makes its tables".to_owned(),
                version => format!("schema version {version}"),
            };
            Ok(format!("{} {} ({shown}): {}, {schema}", info.kind, info.version, info.durability))
        }
        Err(error) => Err(format!("{shown}: {error}")),
    }
}

//! Who works, and for which media.

use std::path::Path;

use ixn_configuration::Configuration;

use crate::exit::Failure;

/// The agents and their media.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Roster {
    /// The agents' ids, each once.
    pub agents: Vec<String>,
    /// The media types that each of them is ready for.
    pub media: Vec<String>,
}

impl Roster {
    /// The named agents, or all of the configuration with `all`; the named media, or all of the configuration.
    /// Without `file` the configuration is the sample that a server without a file has.
    ///
    /// # Errors
    /// The file cannot be read or has mistakes, or nobody is named.
    pub(crate) fn new(
        file: Option<&Path>,
        agents: &[String],
        all: bool,
        media: &[String],
    ) -> Result<Self, Failure> {
        let configuration = match file {
            Some(file) => Configuration::read(file),
            None => Configuration::sample(),
        };
        let configuration = configuration.map_err(|problems| Failure::Usage(problems.to_string()))?;
        let mut roster = Roster { agents: Vec::new(), media: media.to_vec() };
        let of_configuration = configuration.agents.iter().filter(|_| all).map(|agent| &agent.id);
        for agent in agents.iter().chain(of_configuration) {
            if !roster.agents.contains(agent) {
                roster.agents.push(agent.clone());
            }
        }
        if roster.media.is_empty() {
            roster.media = configuration.media_types.iter().map(|media| media.name.clone()).collect();
        }
        if roster.agents.is_empty() {
            return Err(Failure::Usage("nobody works: name agents with --agents, or say --all".to_owned()));
        }
        Ok(roster)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn all_are_those_of_the_sample_with_all_its_media() {
        let roster = Roster::new(None, &[], true, &[]).unwrap();
        assert!(roster.agents.len() > 1 && roster.agents.contains(&"alice".to_owned()), "{roster:?}");
        assert!(roster.media.contains(&"email".to_owned()), "{roster:?}");
    }

    #[test]
    fn named_agents_and_media_are_taken_as_they_are_and_once() {
        let roster = Roster::new(None, &names(&["zoe", "alice", "zoe"]), false, &names(&["chat"])).unwrap();
        assert_eq!(roster, Roster { agents: names(&["zoe", "alice"]), media: names(&["chat"]) });
    }

    #[test]
    fn nobody_and_a_missing_file_are_wrong_usage() {
        assert!(matches!(Roster::new(None, &[], false, &[]), Err(Failure::Usage(_))));
        let missing = Path::new("/nonexistent/objects.yaml");
        assert!(matches!(Roster::new(Some(missing), &[], true, &[]), Err(Failure::Usage(_))));
    }
}

//! Who works, and for which media.

use std::path::Path;

use ixn_configuration::Configuration;

use crate::exit::Failure;
use crate::names;

/// The agents and their media.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Roster {
    /// The agents' ids, each once.
    pub agents: Vec<String>,
    /// The media types that each of them is ready for.
    pub media: Vec<String>,
    /// The agents of the configuration.
    pub known_agents: Vec<String>,
}

impl Roster {
    /// The named agents, or all of the configuration; the named media, or all of the configuration.
    /// Without `file` the configuration is the sample that a server without a file has.
    ///
    /// # Errors
    /// The file cannot be read or has mistakes, it has no such agent or medium, or nobody works. Without `file`
    /// names are not checked: the server may have another configuration than the sample, and it knows.
    pub(crate) fn new(file: Option<&Path>, agents: &[String], media: &[String]) -> Result<Self, Failure> {
        let configuration = match file {
            Some(file) => Configuration::read(file),
            None => Configuration::sample(),
        };
        let configuration = configuration.map_err(|problems| Failure::Usage(problems.to_string()))?;
        let known_agents: Vec<String> = configuration.agents.iter().map(|agent| agent.id.clone()).collect();
        if file.is_some() {
            let known: Vec<&str> = known_agents.iter().map(String::as_str).collect();
            names::check("agent", agents.iter().map(String::as_str), &known)?;
            let known: Vec<&str> =
                configuration.media_types.iter().map(|media| media.name.as_str()).collect();
            names::check("media type", media.iter().map(String::as_str), &known)?;
        }
        let mut roster = Roster { agents: Vec::new(), media: media.to_vec(), known_agents };
        for agent in if agents.is_empty() { &roster.known_agents } else { agents } {
            if !roster.agents.contains(agent) {
                roster.agents.push(agent.clone());
            }
        }
        if roster.media.is_empty() {
            roster.media = configuration.media_types.iter().map(|media| media.name.clone()).collect();
        }
        if roster.agents.is_empty() {
            return Err(Failure::Usage("nobody works: the configuration has no agents".to_owned()));
        }
        Ok(roster)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn all_are_those_of_the_sample_with_all_its_media() {
        let roster = Roster::new(None, &[], &[]).unwrap();
        assert!(roster.agents.len() > 1 && roster.agents.contains(&"alice".to_owned()), "{roster:?}");
        assert!(roster.media.contains(&"email".to_owned()), "{roster:?}");
    }

    #[test]
    fn named_agents_and_media_are_taken_as_they_are_and_once() {
        let roster = Roster::new(None, &names(&["zoe", "alice", "zoe"]), &names(&["chat"])).unwrap();
        assert_eq!((roster.agents, roster.media), (names(&["zoe", "alice"]), names(&["chat"])));
    }

    #[test]
    fn nobody_and_a_missing_file_are_wrong_usage() {
        let nobody = tempfile::NamedTempFile::new().unwrap();
        assert!(matches!(Roster::new(Some(nobody.path()), &[], &[]), Err(Failure::Usage(_))));
        let missing = Path::new("/nonexistent/objects.yaml");
        assert!(matches!(Roster::new(Some(missing), &[], &[]), Err(Failure::Usage(_))));
    }

    #[test]
    fn names_that_the_file_does_not_have_are_told_with_near_ones() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(ixn_configuration::SAMPLE.as_bytes()).unwrap();
        let problem = |agents: &[&str], media: &[&str]| {
            let roster = Roster::new(Some(file.path()), &names(agents), &names(media));
            roster.unwrap_err().to_string()
        };
        let expected = "there is no agent 'alise'; did you mean 'alice'?; there is no agent 'xyz'";
        assert_eq!(problem(&["alise", "bob", "xyz"], &[]), expected);
        assert_eq!(problem(&["bob"], &["emial"]), "there is no media type 'emial'; did you mean 'email'?");
    }
}

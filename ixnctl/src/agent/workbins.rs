//! Workbins as an agent names them: `drafts` is his own, `drafts/bob` is bob's. Pure.

use std::fmt;

use ixn_proto::{WorkbinInfo, WorkbinOwnerType, WorkbinTypeInfo};
use ixn_suggestion::did_you_mean;

/// A workbin as it was typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WorkbinName {
    /// The name of the workbin type.
    pub workbin_type_id: String,
    /// The owner; `None` = the agent himself, or his place.
    pub owner: Option<String>,
}

impl fmt::Display for WorkbinName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.workbin_type_id)?;
        self.owner.as_ref().map_or(Ok(()), |owner| write!(formatter, "/{owner}"))
    }
}

impl WorkbinName {
    /// Reads `TYPE` or `TYPE/OWNER`.
    pub(super) fn read(text: &str) -> Self {
        match text.split_once('/') {
            Some((name, owner)) if !owner.is_empty() => {
                Self { workbin_type_id: name.to_owned(), owner: Some(owner.to_owned()) }
            }
            _ => Self { workbin_type_id: text.trim_end_matches('/').to_owned(), owner: None },
        }
    }

    /// The workbin in the protocol's words; what it asks of the owner stands in the server's workbin types.
    ///
    /// # Errors
    /// A sentence: there is no such workbin, or its owner must be named.
    pub(super) fn info(
        &self,
        types: &[WorkbinTypeInfo],
        agent_id: &str,
        place_id: &str,
    ) -> Result<WorkbinInfo, String> {
        let name = &self.workbin_type_id;
        let Some(found) = types.iter().find(|known| known.workbin_type_id == *name) else {
            let known: Vec<&str> = types.iter().map(|known| known.workbin_type_id.as_str()).collect();
            let near = did_you_mean(name, known.iter().copied());
            let all = if near.is_empty() { format!(": there are {}", known.join(", ")) } else { near };
            return Err(format!("there is no workbin '{name}'{all}"));
        };
        let owner = |his: &str| self.owner.clone().unwrap_or_else(|| his.to_owned());
        let group = || {
            let whose = format!("'{name}' belongs to groups: name one, as in {name}/GROUP");
            self.owner.clone().ok_or(whose)
        };
        let mut info = WorkbinInfo { workbin_type_id: name.clone(), ..Default::default() };
        match found.workbin_type() {
            WorkbinOwnerType::Agent | WorkbinOwnerType::Unspecified => {
                info.workbin_agent_id = owner(agent_id)
            }
            WorkbinOwnerType::Place => info.workbin_place_id = owner(place_id),
            WorkbinOwnerType::AgentGroup => info.workbin_group_id = group()?,
            WorkbinOwnerType::PlaceGroup => info.workbin_place_group_id = group()?,
        }
        Ok(info)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(name: &str) -> Result<WorkbinInfo, String> {
        let kind = |name: &str, owner: WorkbinOwnerType| WorkbinTypeInfo {
            workbin_type_id: name.to_owned(),
            workbin_type: owner as i32,
            ..Default::default()
        };
        let types = [
            kind("drafts", WorkbinOwnerType::Agent),
            kind("desk", WorkbinOwnerType::Place),
            kind("returned", WorkbinOwnerType::AgentGroup),
        ];
        WorkbinName::read(name).info(&types, "alice", "place-7")
    }

    #[test]
    fn without_an_owner_it_is_his_own_or_that_of_his_place() {
        assert_eq!(info("drafts").unwrap().workbin_agent_id, "alice");
        assert_eq!(info("drafts/bob").unwrap().workbin_agent_id, "bob");
        assert_eq!(info("desk").unwrap().workbin_place_id, "place-7");
        assert_eq!(info("returned/Team 1").unwrap().workbin_group_id, "Team 1");
    }

    #[test]
    fn what_cannot_be_found_is_said_with_what_there_is() {
        assert_eq!(info("draft").unwrap_err(), "there is no workbin 'draft'; did you mean 'drafts'?");
        assert!(info("xyz").unwrap_err().ends_with("there are drafts, desk, returned"));
        assert_eq!(
            info("returned").unwrap_err(),
            "'returned' belongs to groups: name one, as in returned/GROUP"
        );
    }
}

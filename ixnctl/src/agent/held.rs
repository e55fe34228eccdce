//! All that an agent handles: the answer to his login may have room for a part of it only.

use ixn_client::{ClientError, LogicalClient, RequestOptions};
use ixn_proto::client_envelope::Request;
use ixn_proto::server_envelope::Event;
use ixn_proto::{InteractionProperties, RequestFindInteractions};

/// Interactions of one page; as many as the server gives.
const PAGE_ROWS: u32 = 1000;

/// Finds all that an agent handles, the oldest first, also when the server goes away meanwhile.
///
/// # Errors
/// The server refuses, or the connection is closed.
pub(crate) async fn find_held(
    client: &LogicalClient,
    agent_id: &str,
) -> Result<Vec<InteractionProperties>, ClientError> {
    // After a lost connection the agent may lose what he has, until he is logged in again.
    let client = client.with(RequestOptions { after_login: true, ..RequestOptions::until_answered() });
    let (mut held, mut start_after) = (Vec::new(), String::new());
    loop {
        let find = RequestFindInteractions {
            condition: handled_by(agent_id),
            number_of_interactions: PAGE_ROWS,
            start_after,
            ..RequestFindInteractions::default()
        };
        let answer = client.request(Request::RequestFindInteractions(find)).await?;
        let Some(Event::EventFoundInteractions(page)) = answer.event else { return Ok(held) };
        held.extend(page.interactions);
        if page.next_page.is_empty() {
            return Ok(held);
        }
        start_after = page.next_page;
    }
}

fn handled_by(agent_id: &str) -> String {
    format!("AssignedTo = '{}'", agent_id.replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quote_in_a_name_is_doubled() {
        assert_eq!(handled_by("o'neil"), "AssignedTo = 'o''neil'");
    }
}

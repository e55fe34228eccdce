//! `ixnctl views`: the views with how many interactions match.

use crate::arguments::Common;
use crate::exit::Failure;
use crate::inspector::Inspector;
use crate::message_json;
use crate::output::{Table, or_dash};

/// Lists the views.
///
/// # Errors
/// The server is unavailable.
pub(crate) async fn run(common: &Common) -> Result<(), Failure> {
    let output = common.output();
    let views = Inspector::connect(common).await?.views().await?;
    if output.is_json() {
        return Ok(views
            .iter()
            .try_for_each(|view| output.object(&message_json::object("ViewStatus", view)))?);
    }
    let mut table = Table::new(&["view", "queue", "strategy", "matching", "state", "order", "condition"]);
    for view in &views {
        table.row([
            view.view_name.clone(),
            view.queue_name.clone(),
            or_dash(&view.strategy_name),
            view.have_interactions.to_string(),
            if view.enabled { "on" } else { "off" }.to_owned(),
            or_dash(&view.order),
            or_dash(&view.condition),
        ]);
    }
    Ok(table.lines().iter().try_for_each(|line| output.line(line))?)
}

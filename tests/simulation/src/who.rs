//! Who takes part in a run, and over which connection.

use ixn_proto::ClientType;

use crate::requests::AGENTS;

/// The connection of the proxy. The others are numbered by whose they are.
pub const PROXY: usize = 40;
/// Agents from this one on work behind the proxy, and come directly only with their second desk.
const FIRST_BEHIND_PROXY: usize = 2;
const MEDIA_SERVERS: usize = 20;
const ROUTERS: usize = 25;
const REPORTERS: usize = 30;

/// Who sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Who {
    /// An agent on one of his two desks: of the first agents the second one is behind the proxy, of the others the first one.
    Desk(usize, usize),
    /// A media server; the second one is behind the proxy.
    Media(usize),
    /// A routing engine; the second one is behind the proxy.
    Router(usize),
    /// A reporting engine; the second one is behind the proxy.
    Reporter(usize),
}

impl Who {
    fn everybody() -> impl Iterator<Item = Self> {
        let desks = (0..AGENTS.len()).flat_map(|agent| [Self::Desk(agent, 0), Self::Desk(agent, 1)]);
        desks.chain((0..2).flat_map(|nth| [Self::Media(nth), Self::Router(nth), Self::Reporter(nth)]))
    }

    fn number(self) -> usize {
        match self {
            Self::Desk(agent, _) => agent,
            Self::Media(nth) => MEDIA_SERVERS + nth,
            Self::Router(nth) => ROUTERS + nth,
            Self::Reporter(nth) => REPORTERS + nth,
        }
    }

    /// His connection, and what he is called there.
    pub fn line(self) -> (usize, u32) {
        let is_behind_proxy = match self {
            Self::Desk(agent, desk) => (agent >= FIRST_BEHIND_PROXY) != (desk == 1),
            Self::Media(nth) | Self::Router(nth) | Self::Reporter(nth) => nth == 1,
        };
        if is_behind_proxy { (PROXY, self.number() as u32 + 1) } else { (self.number(), 0) }
    }

    /// Who is called so on a connection; nobody is the proxy itself.
    pub fn at(line: usize, proxy_client_id: u32) -> Option<Self> {
        Self::everybody().find(|who| who.line() == (line, proxy_client_id))
    }

    /// The client's name and type. Both desks of an agent are one program: what one asked the other may repeat.
    pub fn name(self) -> (String, ClientType) {
        match self {
            Self::Desk(agent, _) => (format!("desk of {}", AGENTS[agent]), ClientType::AgentApplication),
            Self::Media(nth) => (format!("media server {nth}"), ClientType::MediaServer),
            Self::Router(nth) => (format!("router {nth}"), ClientType::RoutingEngine),
            Self::Reporter(nth) => (format!("statistics {nth}"), ClientType::ReportingEngine),
        }
    }
}

//! The kinds of configuration objects.

/// A kind of configuration object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Options,
    MediaType,
    CustomProperty,
    Queue,
    View,
    Workbin,
    Strategy,
    Skill,
    Agent,
    AgentGroup,
    CapacityRule,
}

impl Kind {
    /// All kinds, in the order of the file.
    pub(crate) const ALL: [Kind; 11] = [
        Kind::Options,
        Kind::MediaType,
        Kind::CustomProperty,
        Kind::Queue,
        Kind::View,
        Kind::Workbin,
        Kind::Strategy,
        Kind::Skill,
        Kind::Agent,
        Kind::AgentGroup,
        Kind::CapacityRule,
    ];

    /// What one of them is called in messages.
    pub(crate) fn noun(self) -> &'static str {
        match self {
            Kind::Options => "options",
            Kind::MediaType => "media type",
            Kind::CustomProperty => "custom property",
            Kind::Queue => "queue",
            Kind::View => "view",
            Kind::Workbin => "workbin",
            Kind::Strategy => "strategy",
            Kind::Skill => "skill",
            Kind::Agent => "agent",
            Kind::AgentGroup => "agent group",
            Kind::CapacityRule => "capacity rule",
        }
    }

    /// The key of the file that they stand under.
    pub(crate) fn section(self) -> &'static str {
        match self {
            Kind::Options => "options",
            Kind::MediaType => "media-types",
            Kind::CustomProperty => "custom-properties",
            Kind::Queue => "queues",
            Kind::View => "views",
            Kind::Workbin => "workbins",
            Kind::Strategy => "strategies",
            Kind::Skill => "skills",
            Kind::Agent => "agents",
            Kind::AgentGroup => "agent-groups",
            Kind::CapacityRule => "capacity-rules",
        }
    }

    /// The field that names one of them.
    pub(crate) fn name_field(self) -> &'static str {
        if self == Kind::Agent { "id" } else { "name" }
    }

    /// How one of them is called in a problem: `view 'billing'`, or `view no. 3` when it has no name.
    pub(crate) fn called(self, index: usize, name: Option<&str>) -> String {
        match name {
            _ if self == Kind::Options => self.noun().to_owned(),
            Some(name) if !name.is_empty() => format!("{} '{name}'", self.noun()),
            _ => format!("{} no. {}", self.noun(), index + 1),
        }
    }
}

//! Auto Scaling as its users see it: groups of one instance, what they think of it, and what they do when it is gone.

use crate::fault::BootLine;

#[derive(Clone, Debug)]
pub(crate) struct Group {
    pub(crate) name: String,
    /// The node it belongs to.
    pub(crate) node: String,
    pub(crate) desired: i32,
    pub(crate) template: Template,
    pub(crate) suspended: Vec<String>,
    pub(crate) instances: Vec<Instance>,
    /// Oldest first.
    pub(crate) refreshes: Vec<Refresh>,
    /// Oldest first.
    pub(crate) activities: Vec<Activity>,
    /// So many of the next launches fail for want of capacity.
    pub(crate) refuses: u32,
}

#[derive(Clone, Debug)]
pub(crate) struct Template {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) version: String,
}

#[derive(Clone, Debug)]
pub(crate) struct Instance {
    pub(crate) id: String,
    /// As the group calls it: `Pending`, `InService`, `Terminating`.
    pub(crate) lifecycle: &'static str,
    /// As EC2 calls it.
    pub(crate) state: &'static str,
    pub(crate) ip: String,
    pub(crate) launched: i64,
    /// What it was launched from.
    pub(crate) template: Template,
}

#[derive(Clone, Debug)]
pub(crate) struct Refresh {
    pub(crate) id: String,
    pub(crate) status: &'static str,
    pub(crate) started: i64,
}

#[derive(Clone, Debug)]
pub(crate) struct Activity {
    pub(crate) id: String,
    /// What it is about.
    pub(crate) instance: String,
    pub(crate) description: String,
    pub(crate) cause: String,
    pub(crate) status: &'static str,
    /// Why it failed.
    pub(crate) message: Option<&'static str>,
    pub(crate) started: i64,
    pub(crate) ended: Option<i64>,
}

/// A line in the log that a start left.
#[derive(Clone, Debug)]
pub(crate) struct LogLine {
    pub(crate) node: String,
    pub(crate) instance: String,
    pub(crate) at: i64,
    pub(crate) says: BootLine,
}

impl Group {
    pub(crate) fn instance(&mut self, id: &str) -> Option<&mut Instance> {
        self.instances.iter_mut().find(|instance| instance.id == id)
    }

    /// Ends what goes on about an instance.
    pub(crate) fn succeed(&mut self, instance: &str, now: i64) {
        let open = self.activities.iter_mut().filter(|one| one.instance == instance && one.ended.is_none());
        open.for_each(|activity| {
            activity.status = "Successful";
            activity.ended = Some(now);
        });
    }

    /// Something goes on in it, or it has not exactly one instance in service.
    pub(crate) fn moves(&self) -> bool {
        let open = self.activities.iter().any(|one| one.ended.is_none());
        let refreshed = self.refreshes.iter().any(Refresh::goes_on);
        open || refreshed || !matches!(self.instances.as_slice(), [one] if one.lifecycle == "InService")
    }

    pub(crate) fn may(&self, process: &str) -> bool {
        !self.suspended.iter().any(|suspended| suspended == process)
    }
}

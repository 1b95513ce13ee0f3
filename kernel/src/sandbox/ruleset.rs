//! Landlock: which files, which ports and which other processes can be reached.

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, CompatLevel, Compatible as _, LandlockStatus, Ruleset,
    RulesetAttr as _, RulesetCreatedAttr as _, RulesetError, RulesetStatus, Scope,
    path_beneath_rules,
};

use super::jail::Fence;

/// What must be there: Linux 6.7. Newer ones also guard signals and abstract sockets (6.12), and devices (6.10).
const LEAST: ABI = ABI::V4;

/// Restricts this process and all that come of it to what the fence leaves.
///
/// # Errors
/// When the system cannot do all of it.
pub(super) fn restrict(fence: &Fence, network: bool) -> Result<(), String> {
    let status = restricted(fence, network).map_err(|error| {
        format!("Landlock of Linux 6.7 or newer is needed, and this one says: {error}")
    })?;
    match (status.ruleset, status.landlock) {
        (RulesetStatus::NotEnforced, _)
        | (_, LandlockStatus::NotEnabled | LandlockStatus::NotImplemented) => {
            Err("Landlock is not enforced here".to_owned())
        }
        _ => Ok(()),
    }
}

fn restricted(fence: &Fence, network: bool) -> Result<landlock::RestrictionStatus, RulesetError> {
    let mut ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::from_all(LEAST))?;
    if !network {
        ruleset = ruleset.handle_access(AccessNet::from_all(LEAST))?;
    }
    let ruleset = ruleset
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::IoctlDev)?
        .scope(Scope::from_all(ABI::V6))?;
    ruleset
        .create()?
        .add_rules(path_beneath_rules(&fence.readable, AccessFs::from_read(LEAST)))?
        .add_rules(path_beneath_rules(&fence.writable, AccessFs::from_all(ABI::V5)))?
        .restrict_self()
}

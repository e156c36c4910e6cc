//! The states of a volume and the one table of their changes (Longhorn's, behaviour.md §1).
//!
//! ```text
//!  creating ──► detaching ──► detached ──open──► attaching ──engine runs──► attached
//!                   ▲            (stays while nobody wants it)                  │
//!                   └──────close── nobody wants it · wanted elsewhere · engine ended
//! ```
//!
//! What differs from Longhorn: an engine that ended by itself takes the volume through detaching and detached back to
//! attached while its ticket still asks for it; Longhorn reaches the same by way of `faulted`.

use crate::resources::engine::InstanceState;
use crate::resources::volume::VolumeState;

/// What the engine is doing, as far as the table cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EnginePhase {
    /// Not running, or on its way up or down.
    Quiet,
    Running,
    /// It ended by itself or could not start.
    Ended,
    /// Its node does not answer.
    Unknown,
}

impl EnginePhase {
    #[must_use]
    pub const fn of(state: InstanceState) -> Self {
        match state {
            InstanceState::Running => Self::Running,
            InstanceState::Error => Self::Ended,
            InstanceState::Unknown => Self::Unknown,
            InstanceState::Stopped | InstanceState::Starting | InstanceState::Stopping => Self::Quiet,
        }
    }
}

/// What the table looks at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inputs {
    pub state: VolumeState,
    /// `spec.nodeID`: where it should be attached, empty for nowhere.
    pub wanted: String,
    /// `status.currentNodeID`: where it is attached, empty for nowhere.
    pub current: String,
    pub engine: EnginePhase,
    /// The engine was asked to stop.
    pub closing: bool,
    /// Engine and replicas are all stopped.
    pub all_closed: bool,
}

/// What is to be done in this pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Start replicas, then the engine.
    Open,
    /// Stop the engine, then the replicas.
    Close,
    /// Look after what runs.
    Keep,
}

/// The outcome: what to do, and the status after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    pub action: Action,
    pub state: VolumeState,
    pub current: String,
}

/// The table.
#[must_use]
pub fn step(inputs: &Inputs) -> Step {
    use VolumeState::{Attached, Attaching, Creating, Deleting, Detached, Detaching};
    let stay = |action, state| Step { action, state, current: inputs.current.clone() };
    let detached = || Step { action: Action::Close, state: Detached, current: String::new() };

    if inputs.state == Detaching {
        return if inputs.all_closed { detached() } else { stay(Action::Close, Detaching) };
    }
    let nowhere = inputs.current.is_empty();
    if inputs.wanted.is_empty() {
        return match inputs.state {
            Detached if nowhere => detached(),
            Detached | Attached | Attaching | Creating | Deleting | Detaching => stay(Action::Close, Detaching),
        };
    }
    match inputs.state {
        Detached if nowhere => stay(Action::Open, Attaching),
        Attaching if nowhere => match inputs.engine {
            EnginePhase::Running => Step { action: Action::Keep, state: Attached, current: inputs.wanted.clone() },
            EnginePhase::Ended => stay(Action::Close, Detaching),
            EnginePhase::Quiet | EnginePhase::Unknown => stay(Action::Open, Attaching),
        },
        Attached if inputs.wanted == inputs.current => match inputs.engine {
            // An earlier pass began to close and did not come to say so: its manager died. Nothing of it can be kept.
            _ if inputs.closing => stay(Action::Close, Detaching),
            EnginePhase::Running | EnginePhase::Unknown => stay(Action::Keep, Attached),
            EnginePhase::Ended => stay(Action::Close, Detaching),
            // Adopted after a restart of the manager: its first words are still to come.
            EnginePhase::Quiet if !inputs.all_closed => stay(Action::Keep, Attached),
            EnginePhase::Quiet => stay(Action::Close, Detaching),
        },
        Detached | Attached | Attaching | Creating | Deleting | Detaching => stay(Action::Close, Detaching),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn inputs(state: VolumeState, wanted: &str, current: &str) -> Inputs {
        let (wanted, current) = (wanted.to_owned(), current.to_owned());
        Inputs { state, wanted, current, engine: EnginePhase::Quiet, closing: false, all_closed: false }
    }

    #[test]
    fn the_table_of_longhorn() {
        use Action::{Close, Keep, Open};
        use VolumeState::{Attached, Attaching, Creating, Detached, Detaching};
        let rows = [
            (Attached, "", "", Close, Detaching),
            (Attaching, "", "", Close, Detaching),
            (Creating, "", "", Close, Detaching),
            (Detaching, "", "", Close, Detaching),
            (Detached, "", "", Close, Detached),
            (Attaching, "", "x", Close, Detaching),
            (Attached, "", "x", Close, Detaching),
            (Detached, "", "x", Close, Detaching),
            (Attached, "n", "", Close, Detaching),
            (Detached, "n", "", Open, Attaching),
            (Attaching, "n", "", Open, Attaching),
            (Attaching, "n", "n", Close, Detaching),
            (Detached, "n", "n", Close, Detaching),
            (Attached, "n", "n", Keep, Attached),
            (Detached, "n", "m", Close, Detaching),
            (Attaching, "n", "m", Close, Detaching),
            (Attached, "n", "m", Close, Detaching),
        ];
        for (state, wanted, current, action, next) in rows {
            let taken = step(&inputs(state, wanted, current));
            assert_eq!((taken.action, taken.state), (action, next), "{state:?} {wanted:?} {current:?}");
        }
        for (wanted, current) in [("", ""), ("", "x"), ("n", ""), ("n", "n"), ("n", "m")] {
            let closed = Inputs { all_closed: true, ..inputs(Detaching, wanted, current) };
            assert_eq!(step(&closed), Step { action: Close, state: Detached, current: String::new() });
        }
        let up = Inputs { engine: EnginePhase::Running, ..inputs(Attaching, "n", "") };
        assert_eq!(step(&up), Step { action: Keep, state: Attached, current: "n".into() });
        for engine in [EnginePhase::Quiet, EnginePhase::Running, EnginePhase::Ended, EnginePhase::Unknown] {
            let begun = Inputs { engine, closing: true, ..inputs(Attached, "n", "n") };
            assert_eq!(step(&begun), Step { action: Close, state: Detaching, current: "n".into() }, "{engine:?}");
        }
    }

    /// A volume with its processes, driven by the table as the controller drives it.
    #[derive(Clone, Debug)]
    struct World {
        inputs: Inputs,
        replicas_run: bool,
    }

    #[derive(Clone, Debug)]
    enum Event {
        Want(&'static str),
        EngineEnds,
        NodeSilent,
        NodeBack,
        Pass,
        /// The manager dies when it has done what is to be done, and before it stores the outcome.
        CrashedPass,
    }

    fn any_event() -> impl Strategy<Value = Event> {
        prop_oneof![
            2 => prop_oneof![Just(""), Just("n"), Just("m")].prop_map(Event::Want),
            1 => Just(Event::EngineEnds),
            1 => Just(Event::NodeSilent),
            1 => Just(Event::NodeBack),
            6 => Just(Event::Pass),
            2 => Just(Event::CrashedPass),
        ]
    }

    impl World {
        fn pass(&mut self) {
            let (state, current) = self.crashed_pass();
            (self.inputs.state, self.inputs.current) = (state, current);
        }

        /// All of a pass but its last step.
        fn crashed_pass(&mut self) -> (VolumeState, String) {
            let before = self.inputs.clone();
            let taken = step(&self.inputs);
            assert!(
                before.state == taken.state || allowed(before.state, taken.state),
                "{:?} became {:?}",
                before.state,
                taken.state
            );
            if taken.state == VolumeState::Attached {
                assert!(!taken.current.is_empty(), "attached to no node");
            }
            if taken.state == VolumeState::Detached && before.state != VolumeState::Detached {
                assert!(before.all_closed, "detached while processes run");
            }
            match taken.action {
                Action::Open => self.inputs.closing = false,
                Action::Close => self.inputs.closing = true,
                Action::Keep => {}
            }
            match taken.action {
                Action::Open if self.replicas_run => self.inputs.engine = EnginePhase::Running,
                Action::Open => self.replicas_run = true,
                // A silent node's engine can't be stopped.
                Action::Close if self.inputs.engine == EnginePhase::Unknown => {}
                Action::Close if self.inputs.engine != EnginePhase::Quiet => self.inputs.engine = EnginePhase::Quiet,
                Action::Close => self.replicas_run = false,
                Action::Keep => {}
            }
            self.inputs.all_closed = self.inputs.engine == EnginePhase::Quiet && !self.replicas_run;
            (taken.state, taken.current)
        }

        fn happen(&mut self, event: &Event) {
            let engine = &mut self.inputs.engine;
            match event {
                Event::Want(node) => (*node).clone_into(&mut self.inputs.wanted),
                Event::EngineEnds if *engine == EnginePhase::Running => *engine = EnginePhase::Ended,
                Event::NodeSilent if *engine == EnginePhase::Running => *engine = EnginePhase::Unknown,
                Event::NodeBack if *engine == EnginePhase::Unknown => *engine = EnginePhase::Running,
                Event::Pass => self.pass(),
                Event::CrashedPass => drop(self.crashed_pass()),
                Event::EngineEnds | Event::NodeSilent | Event::NodeBack => {}
            }
        }
    }

    fn allowed(from: VolumeState, to: VolumeState) -> bool {
        use VolumeState::{Attached, Attaching, Creating, Detached, Detaching};
        matches!(
            (from, to),
            (Creating | Attached | Attaching | Detached, Detaching)
                | (Detaching, Detached)
                | (Detached, Attaching)
                | (Attaching, Attached)
        )
    }

    proptest! {
        #[test]
        fn random_events_never_break_the_rules_and_wishes_come_true(
            events in proptest::collection::vec(any_event(), 0..60),
            wanted in prop_oneof![Just(""), Just("n"), Just("m")],
        ) {
            let inputs = Inputs { all_closed: true, ..inputs(VolumeState::Creating, "", "") };
            let mut world = World { inputs, replicas_run: false };
            for event in &events {
                world.happen(event);
            }
            // Then all is quiet: the last wish comes true.
            world.happen(&Event::NodeBack);
            world.happen(&Event::Want(wanted));
            for _ in 0..20 {
                world.pass();
            }
            let expected = if wanted.is_empty() { VolumeState::Detached } else { VolumeState::Attached };
            prop_assert_eq!(world.inputs.state, expected);
            prop_assert_eq!(world.inputs.current.as_str(), wanted);
        }
    }
}

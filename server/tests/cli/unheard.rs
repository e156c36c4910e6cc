//! A manager that nobody listens to, as under a script that has ended.

use crate::world::World;

/// It would say its address and the first password.
#[test]
fn a_manager_whose_output_is_closed_serves_all_the_same() {
    let mut world = World::unheard();
    world.volume("data", "--replicas 1");
    assert!(world.ok("volume ls").contains("data"));
    assert!(!world.has_ended());
}

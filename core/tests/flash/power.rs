//! The power is cut in the middle of every write and every erasure in turn, and again while the store is opened.

use r2_core::name::Name;
use r2_core::store::flash::FlashStore;
use r2_core::store::{Digest, Store, StoreError, Ticket, Upload};
use sha2::{Digest as _, Sha256};

use super::model::{Held, Model, contents, difference};
use super::{Chip, FILES, SECTORS, drop_bytes, mount, name, put, settle};

/// One call of a session, by the number of its ticket.
#[derive(Clone, Debug)]
enum Step {
    Drop(usize),
    /// With the announced bytes; the SHA-256 is announced too, or is not.
    Put(usize, Name, Vec<u8>, bool),
    /// Once, with so many bytes.
    Append(usize, Vec<u8>),
    Seal(usize),
    Confirm(usize),
    Release(usize),
    Delete(Name),
}

/// What the store said before the power went.
struct PowerCut;

/// A store, what it must hold, and the uploads under way.
struct Play {
    store: FlashStore<'static, Chip>,
    chip: Chip,
    model: Model,
    tickets: [Option<Ticket>; 3],
    announced: [Option<Vec<u8>>; 3],
}

impl Play {
    fn on(chip: &Chip) -> Option<Self> {
        Some(Self {
            store: mount(chip).ok()?,
            chip: chip.clone(),
            model: Model::default(),
            tickets: [const { None }; 3],
            announced: [const { None }; 3],
        })
    }

    fn begin(&mut self, place: usize, upload: Upload<'_>) -> Result<(), PowerCut> {
        let ticket = self.store.claim().expect("a ticket");
        let created = settle(|| self.store.create(&ticket, upload));
        let created = self.unless_cut(created)?;
        let found = usize::try_from(created.offset).expect("a short file");
        let partial = created.name.with_ending(r2_core::name::PARTIAL);
        let bytes = self
            .model
            .files
            .remove(&partial)
            .filter(|_| found > 0)
            .unwrap_or_default();
        assert_eq!(bytes.len(), found, "what is resumed is what was there");
        let (name, sealed) = (created.name, false);
        self.model.held[place] = Some(Held {
            name,
            bytes,
            found,
            sealed,
        });
        self.tickets[place] = Some(ticket);
        Ok(())
    }

    fn unless_cut<T>(&self, answer: Result<T, StoreError>) -> Result<T, PowerCut> {
        match answer {
            _ if self.chip.is_off() => Err(PowerCut),
            Ok(answer) => Ok(answer),
            Err(error) => panic!("{error:?}, and the power is on"),
        }
    }

    fn play(&mut self, step: &Step) -> Result<(), PowerCut> {
        match step {
            Step::Drop(place) => self.begin(*place, Upload::Numbered)?,
            Step::Put(place, name, bytes, known) => {
                let sha256: Option<Digest> = known.then(|| Sha256::digest(bytes).into());
                let length = bytes.len() as u64;
                self.announced[*place] = Some(bytes.clone());
                self.begin(*place, Upload::Named { name, length, sha256 })?;
            }
            Step::Append(place, bytes) => {
                let ticket = self.tickets[*place].as_ref().expect("an upload");
                let taken = settle(|| self.store.append(ticket, bytes));
                let taken = self.unless_cut(taken)?;
                let held = self.model.held[*place].as_mut().expect("an upload");
                held.bytes.extend(&bytes[..taken]);
            }
            Step::Seal(place) => {
                let ticket = self.tickets[*place].as_ref().expect("an upload");
                let sealed = settle(|| self.store.seal(ticket));
                self.unless_cut(sealed)?;
                self.model.seal(*place);
            }
            Step::Confirm(place) => {
                self.store
                    .confirm(self.tickets[*place].take().expect("an upload"));
                self.unless_cut(Ok(()))?;
                self.model.confirm(*place);
            }
            Step::Release(place) => {
                self.store
                    .release(self.tickets[*place].take().expect("an upload"));
                self.unless_cut(Ok(()))?;
                self.model.release(*place);
            }
            Step::Delete(name) => {
                let ticket = self.store.claim().expect("a ticket");
                let deleted = settle(|| self.store.delete(&ticket, name));
                self.unless_cut(deleted)?;
                self.store.release(ticket);
                self.model.files.remove(name);
            }
        }
        Ok(())
    }

    /// What a session might do now.
    fn choose(&self, random: &mut fastrand::Rng) -> Step {
        let place = random.usize(..3);
        let Some(held) = &self.model.held[place] else {
            return self.begin_or_delete(place, random);
        };
        if held.sealed {
            return if random.bool() {
                Step::Confirm(place)
            } else {
                Step::Release(place)
            };
        }
        let most = 700;
        let rest = match (&self.announced[place], held.name.is_reserved()) {
            (Some(announced), false) => announced[held.bytes.len()..].to_vec(),
            _ => std::iter::repeat_with(|| random.u8(..)).take(most).collect(),
        };
        let can_be_sealed = held.name.is_reserved() || rest.is_empty();
        match random.u8(..12) {
            0 => Step::Release(place),
            1..4 if can_be_sealed => Step::Seal(place),
            _ if rest.is_empty() => Step::Seal(place),
            _ => Step::Append(place, rest[..rest.len().min(random.usize(1..most))].to_vec()),
        }
    }

    fn begin_or_delete(&self, place: usize, random: &mut fastrand::Rng) -> Step {
        let names = [name("a"), name("b")];
        let free: Vec<_> = names.iter().filter(|name| !self.model.is_held(name)).collect();
        // The new file needs a place beside the old one.
        let is_full = self.model.places() + 1 > FILES - 1;
        match (random.choice(&free), random.u8(..4)) {
            (_, 0) if !self.model.files.is_empty() => self.delete_one(random),
            _ if is_full && !self.model.files.is_empty() => self.delete_one(random),
            (Some(name), 1 | 2) => {
                // Few contents, so that uploads are resumed; none twice in a row, so that none is there already.
                let rest = self.model.files.get(*name).map_or(0, |old| old[0]);
                let fill = (rest + 1) % 3;
                Step::Put(
                    place,
                    (*name).clone(),
                    vec![fill; 400 + 1000 * usize::from(fill)],
                    random.u8(..4) > 0,
                )
            }
            _ => Step::Drop(place),
        }
    }

    fn delete_one(&self, random: &mut fastrand::Rng) -> Step {
        let resting: Vec<_> = self.model.files.keys().collect();
        let held_back: Vec<_> = resting
            .iter()
            .filter(|name| !self.model.is_held(&name.with_ending("")))
            .collect();
        match random.choice(&held_back) {
            Some(name) => Step::Delete((**name).clone()),
            None => Step::Delete((*resting[0]).clone()),
        }
    }
}

impl Model {
    fn seal(&mut self, place: usize) {
        let held = self.held[place].as_mut().expect("an upload");
        held.sealed = true;
        if !held.name.is_reserved() {
            self.files.insert(held.name.clone(), held.bytes.clone());
        }
    }

    fn confirm(&mut self, place: usize) {
        let held = self.held[place].take().expect("an upload");
        if held.name.is_reserved() && held.sealed {
            self.files.insert(held.name, held.bytes);
        }
    }

    fn release(&mut self, place: usize) {
        let held = self.held[place].take().expect("an upload");
        let ending = match (held.sealed, held.name.is_reserved()) {
            _ if held.bytes.is_empty() => return,
            (false, _) => r2_core::name::PARTIAL,
            (true, true) => r2_core::name::UNCONFIRMED,
            (true, false) => return,
        };
        self.files.insert(held.name.with_ending(ending), held.bytes);
    }
}

/// What happens, on how large a chip, and how many operations of the flash it takes.
struct Scenario {
    steps: Vec<Step>,
    sectors: usize,
    operations: u64,
}

impl Scenario {
    /// Plays `next` until it has no more steps.
    fn rehearse(sectors: usize, mut next: impl FnMut(&Play) -> Option<Step>) -> Self {
        let chip = Chip::new(sectors);
        let mut play = Play::on(&chip).expect("blank flash");
        let mut steps = Vec::new();
        while let Some(step) = next(&play) {
            assert!(play.play(&step).is_ok(), "the power is on");
            steps.push(step);
        }
        let operations = chip.operations();
        Self {
            steps,
            sectors,
            operations,
        }
    }

    fn random(seed: u64, length: usize) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut left = 0..length;
        Self::rehearse(SECTORS, |play| left.next().map(|_| play.choose(&mut random)))
    }

    /// Plays until the power is cut after `operations`; the chip, and what must be on it: as before the step that was
    /// cut, or as after it.
    fn cut(&self, operations: u64) -> (Chip, [Model; 2]) {
        let chip = Chip::new(self.sectors);
        chip.cut_after(operations, operations);
        let Some(mut play) = Play::on(&chip) else {
            return (chip, Default::default());
        };
        // The same with the power on tells what the step would have led to.
        let mut after = Play::on(&Chip::new(self.sectors)).expect("blank flash");
        for step in &self.steps {
            assert!(after.play(step).is_ok(), "the power is on");
            if play.play(step).is_err() {
                return (chip, [play.model, after.model]);
            }
        }
        panic!("the scenario has fewer than {operations} operations");
    }

    /// Cuts the power in each operation in turn, and looks at what is there after it came back.
    fn cut_everywhere(&self, what: &str) {
        for operation in 0..self.operations {
            let (chip, allowed) = self.cut(operation);
            chip.power_on();
            if let Err(why) = check(&chip, &allowed) {
                let all = self.operations;
                panic!("{what}, operation {operation} of {all}: {why}\n{allowed:#?}");
            }
        }
    }
}

/// Opens the store and looks for what must be there; then goes on working with it.
fn check(chip: &Chip, allowed: &[Model; 2]) -> Result<(), String> {
    let mut store = mount(chip).map_err(|error| format!("mount: {error:?}"))?;
    let mut found = contents(&mut store);
    let differences = allowed
        .each_ref()
        .map(|model| difference(&model.after_a_cut(), &found));
    if let [Some(before), Some(after)] = differences {
        return Err(format!("neither as before ({before}) nor as after ({after})"));
    }
    let highest = found.keys().filter_map(Name::number).max().unwrap_or(0);
    // Two files make place for the two that come, but not the one whose number is to be followed.
    let others: Vec<_> = found
        .keys()
        .filter(|name| name.number() != Some(highest))
        .cloned()
        .collect();
    for name in others.iter().rev().take(2) {
        let ticket = store.claim().expect("a ticket");
        settle(|| store.delete(&ticket, name)).expect("deleted");
        store.release(ticket);
        found.remove(name);
    }
    let next = drop_bytes(&mut store, &[5; 500]);
    if next.name.number() != Some(highest + 1) {
        return Err(format!("{} follows {highest}", next.name));
    }
    found.insert(next.name, vec![5; 500]);
    put(&mut store, "new", &[6; 1500]).map_err(|error| format!("put: {error:?}"))?;
    found.insert(name("new"), vec![6; 1500]);
    drop(store);
    let mut store = mount(chip).map_err(|error| format!("second mount: {error:?}"))?;
    if contents(&mut store) == found {
        Ok(())
    } else {
        Err("what was stored after the power cut did not last".into())
    }
}

#[test]
fn the_power_may_be_cut_in_every_operation() {
    for seed in 0..10 {
        Scenario::random(seed, 80).cut_everywhere(&format!("seed {seed}"));
    }
}

#[test]
fn the_power_may_be_cut_on_a_chip_that_is_full() {
    // Eight sectors rest and six are for the log: one is left.
    let sectors = 15;
    let mut rests = vec![Step::Put(0, name("rests"), vec![7; 8 * 960], false)];
    rests.extend((0..32).map(|_| Step::Append(0, vec![7; 240])));
    rests.extend([Step::Seal(0), Step::Release(0)]);
    let changes = (1..20).flat_map(|fill| {
        let small = vec![fill; 100];
        [
            Step::Put(1, name("small"), small.clone(), false),
            Step::Append(1, small),
            Step::Seal(1),
            Step::Release(1),
            Step::Delete(name("small")),
        ]
    });
    let mut steps = rests.into_iter().chain(changes);
    Scenario::rehearse(sectors, |_| steps.next()).cut_everywhere("full");
}

#[test]
fn the_power_may_be_cut_again_while_the_store_is_opened() {
    let scenario = Scenario::random(100, 60);
    for operation in 0..scenario.operations {
        let (chip, allowed) = scenario.cut(operation);
        chip.power_on();
        for again in 0.. {
            let copy = chip.copy();
            copy.cut_after(again, again);
            let is_open = mount(&copy).is_ok();
            copy.power_on();
            if let Err(why) = check(&copy, &allowed) {
                panic!("operation {operation}, then {again}: {why}\n{allowed:#?}");
            }
            if is_open {
                break;
            }
        }
    }
}

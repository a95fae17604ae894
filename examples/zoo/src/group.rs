//! Networks that are trained at once, each on its own images in its own order.

use anyhow::{Result, ensure};
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use tch::nn::{AdamW, Optimizer, OptimizerConfig, VarStore};
use tch::{Device, Reduction, Tensor};

use crate::data::Images;
use crate::members::Members;

/// Members in training: one AdamW over all their weights, which is one for each, as it works number by number.
pub struct Group<'a> {
    images: &'a Images,
    batch: usize,
    augment: bool,
    pub members: Members,
    optimizer: Optimizer,
    orders: Vec<Order>,
}

/// The images that one member sees, and what decides their order.
pub struct Order {
    rng: ChaCha8Rng,
    images: Vec<usize>,
    position: usize,
}

impl Order {
    pub fn new(rng: ChaCha8Rng, images: Vec<usize>) -> Order {
        let position = images.len();
        Order {
            rng,
            images,
            position,
        }
    }

    /// The next images; what an epoch leaves over, fewer than a batch, is left out.
    fn next(&mut self, batch: usize) -> &[usize] {
        if self.position + batch > self.images.len() {
            self.images.shuffle(&mut self.rng);
            self.position = 0;
        }
        self.position += batch;
        &self.images[self.position - batch..self.position]
    }
}

impl<'a> Group<'a> {
    /// One order for each member. Fails on an order with fewer images than a batch.
    pub fn new(
        mut members: Members,
        orders: Vec<Order>,
        images: &'a Images,
        batch: usize,
        augment: bool,
    ) -> Result<Group<'a>> {
        let fewest = orders.iter().map(|order| order.images.len()).min();
        ensure!(
            fewest >= Some(batch) && batch > 0,
            "a batch of {batch} from {} images; ask for a batch of 1 to as many",
            fewest.unwrap_or(0)
        );
        let store = VarStore::new(Device::Cpu);
        members.flat = store.root().f_var_copy("flat", &members.flat)?;
        Ok(Group {
            images,
            batch,
            augment,
            members,
            optimizer: AdamW::default().build(&store, 0.0)?,
            orders,
        })
    }

    /// One step of every member.
    pub fn step(&mut self, lr: f64) -> Result<()> {
        let (x, y) = self.next()?;
        let logits = self.members.logits(&x)?.f_transpose(0, 1)?;
        let logits = logits.f_reshape([-1, logits.size()[2]])?;
        // The sum over members of each one's mean, so that each has the gradient that it has alone.
        let loss = logits.f_cross_entropy_loss(&y, None::<Tensor>, Reduction::Sum, -100, 0.0)?;
        let loss = loss.f_div_scalar(self.batch as f64)?;
        self.optimizer.set_lr(lr);
        self.optimizer.zero_grad();
        loss.f_backward()?;
        self.optimizer.step();
        Ok(())
    }

    /// The next batch of every member, image by image.
    fn next(&mut self) -> Result<(Tensor, Tensor)> {
        let members = self.orders.len();
        let mut indices = vec![0; self.batch * members];
        for (member, order) in self.orders.iter_mut().enumerate() {
            for (i, image) in order.next(self.batch).iter().enumerate() {
                indices[i * members + member] = *image;
            }
        }
        if !self.augment {
            return self.images.batch(&indices, members);
        }
        let mut rngs: Vec<_> = self.orders.iter_mut().map(|order| &mut order.rng).collect();
        self.images.augmented_batch(&indices, &mut rngs)
    }
}

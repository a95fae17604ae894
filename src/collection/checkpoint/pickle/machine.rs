//! The machine under the opcodes: a stack with marks, a memo, and the arena of values.

use std::collections::HashMap;
use std::path::Path;

use super::{Id, Value};
use crate::collection::checkpoint::torch_globals::{self, Global, Storage};
use crate::error::{Error, Result};

/// A tensor makes about 16 values, so this is some 65,000 tensors, and a bound on memory.
const MOST_VALUES: usize = 1 << 20;

/// Every inert value is this one.
pub(super) const INERT: Id = 0;

pub(super) struct Machine<'a> {
    pub(super) path: &'a Path,
    pub(super) rest: &'a [u8],
    pub(super) values: Vec<Value>,
    pub(super) stack: Vec<Id>,
    pub(super) marks: Vec<usize>,
    pub(super) memo: HashMap<u32, Id>,
}

impl<'a> Machine<'a> {
    pub(super) fn new(bytes: &'a [u8], path: &'a Path) -> Self {
        Machine {
            path,
            rest: bytes,
            values: vec![Value::Inert],
            stack: Vec::new(),
            marks: Vec::new(),
            memo: HashMap::new(),
        }
    }

    pub(super) fn damaged(&self, why: impl Into<String>) -> Error {
        let why = why.into();
        Error::corrupt(
            self.path,
            format!("its pickle {why}; save it again: torch.save(model.state_dict(), path)"),
        )
    }

    pub(super) fn take(&mut self, count: usize) -> Result<&'a [u8]> {
        let (taken, rest) = self
            .rest
            .split_at_checked(count)
            .ok_or_else(|| self.damaged("ends early"))?;
        self.rest = rest;
        Ok(taken)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    /// An unsigned number of `N` bytes, little endian.
    pub(super) fn length<const N: usize>(&mut self) -> Result<usize> {
        let mut wide = [0; 8];
        wide[..N].copy_from_slice(&self.array::<N>()?);
        usize::try_from(u64::from_le_bytes(wide)).map_err(|_| self.damaged("ends early"))
    }

    pub(super) fn line(&mut self) -> Result<&'a str> {
        let end = self.rest.iter().position(|b| *b == b'\n');
        let end = end.ok_or_else(|| self.damaged("ends early"))?;
        let line = self.take(end)?;
        self.take(1)?;
        std::str::from_utf8(line).map_err(|_| self.damaged("holds a name that is not UTF-8"))
    }

    pub(super) fn value(&self, id: Id) -> &Value {
        &self.values[id as usize]
    }

    pub(super) fn push(&mut self, value: Value) -> Result<()> {
        if self.values.len() == MOST_VALUES {
            return Err(self.damaged(format!("holds more than {MOST_VALUES} values")));
        }
        self.stack.push(self.values.len() as Id);
        self.values.push(value);
        Ok(())
    }

    pub(super) fn pop(&mut self) -> Result<Id> {
        let id = self.top()?;
        self.stack.pop();
        Ok(id)
    }

    pub(super) fn pop_many<const N: usize>(&mut self) -> Result<[Id; N]> {
        let mut ids = [INERT; N];
        for id in ids.iter_mut().rev() {
            *id = self.pop()?;
        }
        Ok(ids)
    }

    pub(super) fn pop_mark(&mut self) -> Result<Vec<Id>> {
        let mark = self.marks.pop();
        let mark = mark.ok_or_else(|| self.damaged("lacks a mark"))?;
        Ok(self.stack.split_off(mark))
    }

    /// The top of the stack above the last mark.
    pub(super) fn top(&self) -> Result<Id> {
        let floor = self.marks.last().copied().unwrap_or(0);
        self.stack[floor..]
            .last()
            .copied()
            .ok_or_else(|| self.damaged("takes from an empty stack"))
    }

    pub(super) fn inert<const N: usize>(&mut self) -> Result<()> {
        self.take(N)?;
        self.stack.push(INERT);
        Ok(())
    }

    pub(super) fn bytes<const N: usize>(&mut self) -> Result<()> {
        let length = self.length::<N>()?;
        self.take(length)?;
        self.stack.push(INERT);
        Ok(())
    }

    pub(super) fn text<const N: usize>(&mut self) -> Result<()> {
        let length = self.length::<N>()?;
        let text = String::from_utf8_lossy(self.take(length)?).into_owned();
        self.push(Value::Text(text))
    }

    /// A two's-complement integer; one that does not fit 64 bits is no size, so it is inert.
    pub(super) fn long(&mut self, length: usize) -> Result<()> {
        let bytes = self.take(length)?;
        if length > 8 {
            self.stack.push(INERT);
            return Ok(());
        }
        let negative = bytes.last().is_some_and(|b| b & 0x80 != 0);
        let mut wide = [if negative { 0xff } else { 0 }; 8];
        wide[..length].copy_from_slice(bytes);
        self.push(Value::Int(i64::from_le_bytes(wide)))
    }

    pub(super) fn tuple<const N: usize>(&mut self) -> Result<()> {
        let items = self.pop_many::<N>()?;
        self.push(Value::Sequence(items.into()))
    }

    pub(super) fn append(&mut self, items: &[Id]) -> Result<()> {
        let list = self.top()?;
        match &mut self.values[list as usize] {
            Value::Sequence(list) => list.extend(items),
            Value::Inert => {}
            _ => return Err(self.damaged("appends to what is no list")),
        }
        Ok(())
    }

    pub(super) fn set_items(&mut self, items: &[Id]) -> Result<()> {
        let dict = self.top()?;
        let (pairs, left_over) = items.as_chunks::<2>();
        match &mut self.values[dict as usize] {
            Value::Dict(dict) if left_over.is_empty() => {
                dict.extend(pairs.iter().map(|[key, value]| (*key, *value)));
            }
            Value::Inert => {}
            _ => return Err(self.damaged("sets items of what is no dict")),
        }
        Ok(())
    }

    pub(super) fn memorize(&mut self, index: usize) -> Result<()> {
        let id = self.top()?;
        self.memo.insert(index as u32, id);
        Ok(())
    }

    pub(super) fn recall(&mut self, index: usize) -> Result<()> {
        let id = self.memo.get(&(index as u32)).copied();
        let id = id.ok_or_else(|| self.damaged("recalls what it never stored"))?;
        self.stack.push(id);
        Ok(())
    }

    pub(super) fn global(&mut self, module: &str, name: &str) -> Result<()> {
        match torch_globals::allowed(module, name) {
            Some(global) => self.push(Value::Global(global)),
            None => {
                let full: String = format!("{module}.{name}").chars().take(80).collect();
                Err(Error::Unsupported(format!(
                    "{}: {} would run code; save a plain state dict: torch.save(model.state_dict(), path)",
                    self.path.display(),
                    full.escape_debug()
                )))
            }
        }
    }

    /// Applies a global to a tuple of arguments, both on the stack.
    pub(super) fn call(&mut self) -> Result<()> {
        let [global, args] = self.pop_many()?;
        let (Value::Global(global), Value::Sequence(args)) = (self.value(global), self.value(args))
        else {
            return Err(self.damaged("calls what is no function"));
        };
        match (*global, args.as_slice()) {
            (Global::OrderedDict, []) => self.push(Value::Dict(Vec::new())),
            (Global::First, [first, ..]) => {
                self.stack.push(*first);
                Ok(())
            }
            (Global::Inert, _) => {
                self.stack.push(INERT);
                Ok(())
            }
            (Global::RebuildTensor { with_dtype }, args) => {
                let view = torch_globals::rebuild_tensor(&self.values, args, with_dtype)
                    .ok_or_else(|| self.damaged("rebuilds a tensor from wrong arguments"))?;
                self.push(Value::Tensor(view))
            }
            _ => Err(self.damaged("calls a function with wrong arguments")),
        }
    }

    /// BINPERSID: PyTorch writes `('storage', class, key, location, count)`.
    pub(super) fn persistent(&mut self) -> Result<()> {
        let id = self.pop()?;
        let storage = match self.value(id) {
            Value::Sequence(parts) => match parts.as_slice() {
                &[_, class, key, _, count] => {
                    match (self.value(class), self.value(key), self.value(count)) {
                        (
                            Value::Global(Global::Storage(element)),
                            Value::Text(_),
                            &Value::Int(count @ 0..),
                        ) => Some(Storage {
                            key,
                            element: *element,
                            count: count as u64,
                        }),
                        _ => None,
                    }
                }
                _ => None,
            },
            _ => None,
        };
        let storage = storage.ok_or_else(|| self.damaged("names no storage by its reference"))?;
        self.push(Value::Storage(storage))
    }
}

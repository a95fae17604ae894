//! The globals that a state dict's pickle may name, and what calling one means here. Nothing else
//! is ever called: this list is the whole difference between reading a pickle and running it.

use super::pickle::{Id, Value};
use crate::layout::Dtype;

/// PyTorch allows 64 dimensions; no network's tensor has as many as this.
const MOST_DIMENSIONS: usize = 16;

/// The element type of a storage or a tensor.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Element {
    Known(Dtype),
    /// Bytes; the tensor over them has the dtype.
    Untyped,
    /// What no snapshot can hold, by name.
    Foreign(&'static str),
}

/// A name from the allow list.
#[derive(Clone, Copy, Debug)]
pub(super) enum Global {
    OrderedDict,
    /// `_rebuild_tensor_v2(storage, offset, size, stride, requires_grad, hooks[, flags])`, and
    /// `_rebuild_tensor_v3` with a dtype before the flags.
    RebuildTensor {
        with_dtype: bool,
    },
    /// A wrapper that adds nothing to its first argument.
    First,
    Storage(Element),
    Dtype(Element),
    /// A harmless value that no tensor is made of.
    Inert,
}

/// A typed window onto some bytes of the archive, `data/<key>`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Storage {
    pub key: Id,
    pub element: Element,
    /// Elements, or bytes when untyped.
    pub count: u64,
}

/// A tensor: a strided view of a storage, in elements.
#[derive(Clone, Debug)]
pub(super) struct View {
    pub storage: Storage,
    pub element: Element,
    pub offset: u64,
    pub shape: Vec<u64>,
    pub stride: Vec<u64>,
}

/// The global's meaning, or `None` for one that is not on the list.
pub(super) fn allowed(module: &str, name: &str) -> Option<Global> {
    let global = match (module, name) {
        ("collections", "OrderedDict") => Global::OrderedDict,
        ("torch._utils", "_rebuild_tensor_v2") => Global::RebuildTensor { with_dtype: false },
        ("torch._utils", "_rebuild_tensor_v3") => Global::RebuildTensor { with_dtype: true },
        ("torch._utils", "_rebuild_parameter" | "_rebuild_parameter_with_state")
        | ("torch", "Size") => Global::First,
        // Schedulers keep milestones in a Counter; protocol 2 writes bytes through an encoding.
        ("torch", "device") | ("collections", "Counter") | ("_codecs", "encode") => Global::Inert,
        ("builtins" | "__builtin__", "set" | "frozenset" | "bytearray" | "complex") => {
            Global::Inert
        }
        ("torch.storage", "UntypedStorage") => Global::Storage(Element::Untyped),
        ("torch", _) => {
            if let Some(&(.., element)) = STORAGES.iter().find(|(class, _)| *class == name) {
                Global::Storage(element)
            } else if let Some(&(.., element)) = DTYPES.iter().find(|(dtype, _)| *dtype == name) {
                Global::Dtype(element)
            } else {
                let foreign = FOREIGN.iter().find(|dtype| **dtype == name)?;
                Global::Dtype(Element::Foreign(foreign))
            }
        }
        _ => return None,
    };
    Some(global)
}

const STORAGES: [(&str, Element); 12] = [
    ("DoubleStorage", Element::Known(Dtype::F64)),
    ("FloatStorage", Element::Known(Dtype::F32)),
    ("HalfStorage", Element::Known(Dtype::F16)),
    ("BFloat16Storage", Element::Known(Dtype::Bf16)),
    ("LongStorage", Element::Known(Dtype::I64)),
    ("IntStorage", Element::Known(Dtype::I32)),
    ("ShortStorage", Element::Known(Dtype::I16)),
    ("CharStorage", Element::Known(Dtype::I8)),
    ("ByteStorage", Element::Known(Dtype::U8)),
    ("BoolStorage", Element::Known(Dtype::Bool)),
    ("ComplexFloatStorage", Element::Foreign("complex64")),
    ("ComplexDoubleStorage", Element::Foreign("complex128")),
];

const DTYPES: [(&str, Element); 10] = [
    ("float64", Element::Known(Dtype::F64)),
    ("float32", Element::Known(Dtype::F32)),
    ("float16", Element::Known(Dtype::F16)),
    ("bfloat16", Element::Known(Dtype::Bf16)),
    ("int64", Element::Known(Dtype::I64)),
    ("int32", Element::Known(Dtype::I32)),
    ("int16", Element::Known(Dtype::I16)),
    ("int8", Element::Known(Dtype::I8)),
    ("uint8", Element::Known(Dtype::U8)),
    ("bool", Element::Known(Dtype::Bool)),
];

const FOREIGN: [&str; 12] = [
    "uint16",
    "uint32",
    "uint64",
    "complex32",
    "complex64",
    "complex128",
    "float8_e4m3fn",
    "float8_e4m3fnuz",
    "float8_e5m2",
    "float8_e5m2fnuz",
    "float8_e8m0fnu",
    "float4_e2m1fn_x2",
];

/// The tensor that `_rebuild_tensor_v2` or `_v3` makes of `args`; `None` when they make none.
pub(super) fn rebuild_tensor(values: &[Value], args: &[Id], with_dtype: bool) -> Option<View> {
    let value = |at: usize| args.get(at).and_then(|id| values.get(*id as usize));
    let whole = |value: &Value| match value {
        Value::Int(n) => u64::try_from(*n).ok(),
        _ => None,
    };
    let wholes = |value: &Value| match value {
        Value::Sequence(ids) if ids.len() <= MOST_DIMENSIONS => {
            ids.iter().map(|id| whole(&values[*id as usize])).collect()
        }
        _ => None::<Vec<u64>>,
    };
    let Value::Storage(storage) = *value(0)? else {
        return None;
    };
    let (offset, shape, stride) = (whole(value(1)?)?, wholes(value(2)?)?, wholes(value(3)?)?);
    let mut element = match (with_dtype, value(6)) {
        (false, _) => storage.element,
        (true, Some(Value::Global(Global::Dtype(element)))) => *element,
        (true, _) => return None,
    };
    // Flags say that the bytes are not the values.
    if let Some(Value::Dict(flags)) = value(6 + usize::from(with_dtype))
        && !flags.is_empty()
    {
        element = Element::Foreign("a lazily negated or conjugated view");
    }
    (shape.len() == stride.len()).then_some(View {
        storage,
        element,
        offset,
        shape,
        stride,
    })
}

"""One spelling for one kernel: what demanglers, exporters and libraries wrap around a name goes before matching.

The same kernel is `void f<(int)4, (bool)1>(const T1 *)` in an nsys export and `void f<4, true>(float const*)` from
c++filt; the same cuDNN kernel is `volta_h884cudnn_X`, `trt_volta_h884cudnn_X` or `cudnn_infer_volta_h884cudnn_X`.
Rules are written against the canonical name only.
"""

from __future__ import annotations

import re

LONGEST = 50_000  # characters of a name that are looked at: several times the longest ever met
_CLONE = re.compile(r"(?: \[clone [^\]]*\])+$|\.kd$")
_RETURN_TYPE = re.compile(r"^(?:void|std::enable_if<.*?>::type|enable_if<.*?>::type) ")
_PAREN = re.compile(r"[()]")
_BOOL_CAST = re.compile(r"\(bool\)([01])\b")
_INT_CAST = re.compile(r"\((?:(?:un)?signed )?(?:char|short|int|long|long long|__int64)\)(-?\d+)")
_INT_SUFFIX = re.compile(r"\b(\d+)(?:ull|ul|ll|u|l)\b")
_LAMBDA = re.compile(r"\[lambda(\([^\[\]]*\)) \(instance (\d+)\)\]")

_PREFIX = re.compile(
    r"^(?:_5x_cudnn_|_5x_cublas_|cudnn_(?:infer_|train_)?|trt_)+"
    r"(?=(?:maxwell|pascal|volta|turing|ampere|ada|hopper|blackwell|sm\d|cutlass|xmma|[a-z]\d{3,5}|first_layer))"
)
_SUFFIX = re.compile(r"(?:__?5x_(?:cudnn|cublas|cusparselt)|_cudnn(?:_infer|_train)?|_cublas|_cask_trt|_trt)$")
_EXECUTE = re.compile(r"(?:_execute(?:_segment_k_(?:on|off))?_kernel(?:_kernel)?)$")
_QUALIFIER = re.compile(r"\b\w+::|\(anonymous namespace\)::")


def canonical(name: str) -> str:
    """The canonical spelling of a demangled kernel name: no return type, parameter list, casts, wrappers or `const`."""
    text = _CLONE.sub("", name[:LONGEST].strip())
    if "(" in text or "<" in text or " " in text:
        text = _unify_cpp(_without_parameters(_RETURN_TYPE.sub("", text)))
    text = _PREFIX.sub("", text)
    return _EXECUTE.sub("", _SUFFIX.sub("", text))


def one_spelling(name: str) -> str:
    """A demangled name in one spelling of C++, with its parameters: only what two demanglers differ by is dropped."""
    return _unify_cpp(_RETURN_TYPE.sub("", _CLONE.sub("", name[:LONGEST].strip())))


def simplified(name: str) -> str:
    """The canonical spelling as ncu simplifies it in its tables: no namespaces, no casts, numbers for booleans."""
    text = canonical(name).replace("true", "1").replace("false", "0")
    return _QUALIFIER.sub("", text)


def short_name(name: str) -> str:
    """The function's own identifier, as an exporter's `shortName` has it: no namespaces, no template arguments."""
    text = _unify_cpp(_without_parameters(_RETURN_TYPE.sub("", _CLONE.sub("", name[:LONGEST].strip()))))
    return text.split("<", 1)[0].rsplit("::", 1)[-1]


def _without_parameters(text: str) -> str:
    """`text` up to the parameter list that closes it; unbalanced text (cut names) is left whole."""
    if not text.endswith(")"):
        return text
    depth = 0
    for paren in reversed(list(_PAREN.finditer(text))):
        depth += 1 if paren.group() == ")" else -1
        if depth == 0:
            return text[: paren.start()].rstrip() if paren.start() else text
    return text


def _unify_cpp(text: str) -> str:
    """One spelling of C++: c++filt's for anonymous namespaces and lambdas, bare values, no `const`, no blanks."""
    text = text.replace("<unnamed>", "(anonymous namespace)").replace("`anonymous namespace'", "(anonymous namespace)")
    if "(bool)" in text:
        text = _BOOL_CAST.sub(lambda m: "true" if m.group(1) == "1" else "false", text)
    text = _INT_SUFFIX.sub(r"\1", _INT_CAST.sub(r"\1", text))
    if "[lambda" in text:
        text = _LAMBDA.sub(r"{lambda\1#\2}", text)
    text = text.replace("const ", "").replace(" const", "").replace("unsigned long long", "unsigned long")
    text = text.replace("long long", "long").replace("operator ()", "operator()").replace(" *", "*").replace(" &", "&")
    while " >" in text:
        text = text.replace(" >", ">")
    return text

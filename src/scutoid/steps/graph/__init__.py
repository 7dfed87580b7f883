"""The frozen graph: nodes, references to their outputs, calls of steps."""

from scutoid.steps.graph._arithmetic import astype_call, operator_call
from scutoid.steps.graph._call import BlockCall, Call, MappedCall, WholeCall, make_call
from scutoid.steps.graph._layouts import Layouts
from scutoid.steps.graph._needs import bytes_of, memory_of, physical_memory
from scutoid.steps.graph._nodes import (
    CollectionFromStore,
    Constant,
    ConstantCollection,
    DeferredConstant,
    FromStore,
    NotStored,
    Opened,
    OpenedFolder,
    StoredMembers,
    StoredOutputs,
    call_reader,
    kind_of,
    open_member,
)
from scutoid.steps.graph._refs import (
    CollectionRef,
    Described,
    Gathered,
    ImageRef,
    Member,
    Node,
    Ref,
    planned_node,
    ref_of,
    refs_of,
)
from scutoid.steps.graph._rewrite import Outputs, Rewriting, with_spec_options

__all__ = [
    "BlockCall",
    "Call",
    "CollectionFromStore",
    "CollectionRef",
    "Constant",
    "ConstantCollection",
    "DeferredConstant",
    "Described",
    "FromStore",
    "Gathered",
    "ImageRef",
    "Layouts",
    "MappedCall",
    "Member",
    "Node",
    "NotStored",
    "Opened",
    "OpenedFolder",
    "Outputs",
    "Ref",
    "Rewriting",
    "StoredMembers",
    "StoredOutputs",
    "WholeCall",
    "astype_call",
    "bytes_of",
    "call_reader",
    "kind_of",
    "make_call",
    "memory_of",
    "open_member",
    "operator_call",
    "physical_memory",
    "planned_node",
    "ref_of",
    "refs_of",
    "with_spec_options",
]

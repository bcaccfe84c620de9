"""Rules for every language that has a node type, and what several families share."""

from __future__ import annotations

from bough_merge.syntax.language import Free


def _any(words: str) -> str:
    """Return the expression that matches any of some node types."""
    return "|".join(words.split())


_DEFINED = _any("""
    abstract_class abstract_method annotation_type associated_type class companion const constructor contract decorated
    deinit delegate destructor enum error event extension field foreign_mod function function_signature impl indexer
    init interface message method mod modifier module object operator property_element protocol public_field
    record rpc secondary_constructor service singleton state_variable static struct subscript trait type type_alias
    union
""")

# Order is meaningless among imports, among declarations that are found by name, and among keyed items.
COMMON = (
    Free("future", "future_import_statement"),
    Free(
        "imports",
        _any("""
            extern_crate_declaration import import_declaration import_directive import_from_statement import_header
            import_or_export import_spec import_statement library_import namespace_use_declaration open_directive
            open_module preproc_include use_declaration use_directive use_statement using_directive using_statement
        """),
    ),
    Free(
        "names",
        ".*",
        _any("""
            export_clause exports import_from_statement import_list import_names inherited_attrs named_imports
            namespace_selectors namespace_use_group use_list
        """),
    ),
    Free(
        "enum",
        ".*",
        _any("""
            enum_body enum_class_body enum_declaration_list enum_member_declaration_list enum_values_definition
            enum_variant_list enumerator_list
        """),
    ),
    Free(
        "members",
        rf"({_DEFINED})_(declaration|definition|elem|item|signature|specifier)|"
        + _any("""
            abstract_method_signature class companion_object decorated_definition enum message method module rpc
            secondary_constructor service singleton_method template_declaration type_definition
        """),
    ),
    # Within a function these are local variables, which are created in order.
    Free("members", "(property|val)_(declaration|definition)", "(?!.*(statements|block)).*"),
    Free(
        "pairs",
        _any("""
            binding block_mapping_pair env_pair field_initializer field_update flow_pair formal keyed_element member
            method_definition pair pair_pattern shorthand_field_initializer shorthand_property_identifier
            shorthand_property_identifier_pattern
        """),
        _any("""
            binding_set block_mapping dictionary document env_instruction field_initializer_list flow_mapping formals
            hash inline_table interface_body literal_value object object_pattern object_type record table
            table_array_element table_constructor
        """),
    ),
    Free("members", r"(property|method|call|construct|index)_signature", "object_type|interface_body"),
    Free(
        "attributes",
        _any("Attribute attribute attribute_item attribute_list directive_attribute element_value_pair jsx_attribute"),
        _any("""
            EmptyElemTag STag annotation_argument_list jsx_opening_element jsx_self_closing_element self_closing_tag
            start_tag
        """)
        + r"|\w+_(declaration|item)",
    ),
    Free("keywords", "keyword_argument|named_argument"),
    Free("modifiers", ".*", "modifiers|function_modifiers"),
    Free(
        "modifiers",
        r"modifier|(visibility|readonly|static|final|abstract|var|class|member|function|inheritance)_modifier",
    ),
    Free(
        "types",
        ".*",
        _any("""
            attribute/token_tree base_list catch_type class_interface_clause deriving deriving/tuple implements_clause
            interface_type_list throws trait_bounds type_list union_type
        """),
    ),
    Free("types", "inheritance_specifier|delegation_specifier|where_predicate"),
    Free(
        "fields",
        "field|field_declaration|field_definition|input_value_definition|var_spec",
        _any("""
            field_declaration_list fields fields_definition message_body record_declaration table_constructor
            var_declaration var_spec_list
        """),
    ),
    Free("constants", "const_spec", text=rb"[^=]+=(?!.*\biota\b)"),
    Free("sections", "section|table|table_array_element", "document"),
    Free("settings", "setting|property|attribute", "section|file|body"),
    Free("blocks", "block", "body"),
    Free("items", ".*", "set"),
)

IMPORTS = tuple(rule for rule in COMMON if rule.group in ("future", "imports"))

# `cfg->a = 1` and `self.b = 2` are to an object what its keys are to a literal.
FIELDS = rb"\w+(?:\.|->)\w+\s*(?::[^=\n]+)?=(?!=)"

"""The binding rules of each language; names are followed in these languages only."""

from __future__ import annotations

from bough_merge.gates.bindings import GoRules, Places, Rules
from bough_merge.gates.python_bindings import PythonRules

_GENERIC = Rules()
_GENERIC_NAMES = "javascript typescript tsx java c cpp csharp rust scala"
_RULES: dict[str, Rules] = {
    "python": PythonRules(),
    **dict.fromkeys(_GENERIC_NAMES.split(), _GENERIC),
    "go": GoRules(),
    "kotlin": Places(
        "simple_identifier type_identifier",
        r"""(function|class|object)_declaration\. variable_declaration\. (class_)?parameter\. type_parameter\.
        type_alias\. enum_entry\. catch_block\.""",
        r"navigation_suffix\. package_header\. identifier\.",
        argument="value_argument",
    ),
    "swift": Places(
        "simple_identifier type_identifier",
        r"""(function|class|protocol|typealias)_declaration\.name (lambda_)?parameter\.(name|)
        pattern\.(bound_identifier|) type_parameter\. enum_entry\.name (if|guard)_statement\.bound_identifier
        catch_block\..*""",
        r"navigation_suffix\..* value_argument_label\. parameter\.external_name identifier\.",
    ),
    "php": Places(
        "name variable_name",
        r"""(class|interface|trait|enum)_declaration\.name function_definition\.name const_element\. enum_case\.name
        (simple|property_promotion|variadic)_parameter\.name assignment_expression\.left list_literal\. pair\.
        foreach_statement\. catch_clause\.name anonymous_function_use_clause\. static_variable_declaration\.name
        global_declaration\.""",
        r"""(nullsafe_)?member_(access|call)_expression\.name scoped_(call|property_access)_expression\.name
        method_declaration\.name property_element\.name namespace_name\. namespace_definition\. qualified_name\.
        class_constant_access_expression\. argument\.name augmented_assignment_expression\.left attribute\.""",
    ),
    "ruby": Places(
        "identifier constant",
        r"""(class|module|method|singleton_method)\.name (left_assignment_list|destructured_\w+|exception_variable)\.
        (operator_)?assignment\.left \w+_parameters\. \w+_parameter\.name for\.pattern rest_assignment\.""",
        r"scope_resolution\.name call\.method alias\..*",
    ),
    "lua": Places(
        "identifier",
        r"variable_list\.name parameters\.name function_declaration\.name for_numeric_clause\.name",
        r"(dot|method)_index_expression\.(field|method) field\.name",
    ),
    "dart": Places(
        "identifier type_identifier",
        r"""\w+_signature\.name \w+_(definition|declaration)\.name initialized_identifier\. static_final_declaration\.
        formal_parameter\.(name|) enum_constant\.name mixin_declaration\. type_alias\. import_specification\.""",
        r"(un)?conditional_assignable_selector\. label\. named_argument\. constructor_param\. qualified\.",
    ),
    "r": Places(
        "identifier",
        r"binary_operator\.lhs parameter\.name for_statement\.variable",
        r"extract_operator\.rhs argument\.name namespace_operator\..*",
    ),
    "bash": Places("word", r"function_definition\.name", r"(?!command_name).*"),
}


def rules_of(language: str) -> Rules | None:
    """Return the rules of a language, or None if names are not followed in it."""
    return _RULES.get(language)

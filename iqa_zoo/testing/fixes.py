"""What to do where a check of a suite fails, in one sentence each."""

FIXES = {
    # every part
    "is_the_protocol_of_its_slot": "Derive from torch.nn.Module and give it what its slot asks for in iqa_zoo/contracts.py "
    "(queries: num_queries; a backbone: spec).",
    "docstring_opens_with_one_sentence": "Begin the docstring with one sentence on one line that ends with a full stop.",
    "public_classes_of_its_module_have_docstrings": "Give the class a docstring, or a name that begins with an underscore.",
    "constructor_takes_annotated_keywords": "Write __init__(self, *, ...) with an annotation for every argument; configs are "
    "checked against them.",
    "defaults_are_immutable": "Use a number, a string, None or a tuple as the default; a list or a module is shared by all parts.",
    "values_out_of_range_are_refused": "Annotate the argument with its range, KEY: Size or Annotated[float, Range(0, 1)] "
    "(iqa_zoo/values.py), and decorate __init__ with iqa_zoo.values.checked.",
    "arguments_are_left_alone_and_nothing_is_shared": "Make layers in the constructor, and copy an argument before changing it.",
    "item_does_not_depend_on_the_batch": "Compute every image by itself: no mean, norm or sort over the first dimension in eval mode.",
    "eval_is_deterministic_and_leaves_no_trace": "Draw no random numbers and change no buffer in eval mode; ask self.training.",
    "grad_mode_does_not_move_the_output": "Do not let the result depend on torch.is_grad_enabled() or requires_grad.",
    "train_and_eval_give_the_same_shapes": "Give the same tensors in both modes.",
    "every_parameter_gets_a_gradient": "Use the parameter in forward, remove it, or freeze it with requires_grad_(False). A zero "
    "gradient: is it multiplied by zero, detached, or cancelled by a norm or a softmax behind it?",
    "state_dict_round_trip": "Keep all that decides the output in parameters, buffers or arguments, and nothing else in state_dict.",
    "copies_and_pickles": "Hold no lambda, local class, open file or hook; define functions at the top of a module.",
    "runs_under_autocast": "Bring what meets in one operation to one dtype, and compute what overflows in float().",
    "runs_in_double_precision": "Make tensors with the dtype and device of the input, for example x.new_zeros(...).",
    "makes_no_tensor_on_the_cpu": "Make tensors on the device of the input, for example x.new_zeros(...), and read no value in Python.",
    "same_seed_gives_the_same_part": "Draw initial values and noise from torch's generator only, not from random or numpy.",
    "graph_is_right_on_other_inputs": "Compute nothing from values in Python (item, tolist, a branch): ask iqa_zoo.layers.graphs.is_recorded() "
    "and use operators that do not depend on values. Write x.shape[0], not len(x), which a trace takes as a constant. Where neither "
    "can be done, say why in an attribute no_graph.",
    "budget_counts_every_operator_as_torch_does": "For an operator without a formula say what it costs with "
    "iqa_zoo.budgets.add_formula; where the numbers differ, a product runs inside an operator that is counted otherwise "
    "(iqa-zoo budget MODEL --json shows which).",
    # backbones
    "spec_says_what_comes": "Make spec say the channels, strides and widths that forward gives, for every stage asked for.",
    "token_stage_is_the_tokens": "Set token_stage only where tokens_BLC is that map, flattened; else leave it None.",
    "every_available_stage_can_be_asked_for_alone": "List in available_stages only what stages=(S,) gives, and give only that.",
    "normalisation_is_per_channel": "Give mean and std as three numbers each, for RGB in 0..1.",
    # queries, memories, interactions, heads
    "shape_and_number": "Return queries_BND with N = self.num_queries and D = dim.",
    "any_number_of_queries": "Take N from num_queries (or from the queries themselves); fix it nowhere.",
    "shape": "Return a tensor of the model's width, BND of queries or BLD of memory; an interaction that changes the width sets "
    "self.out_dim.",
    "grid_holds_every_token": "Let token_grid give rows * columns == length, or None.",
    "inputs_are_left_alone": "Use no in-place operation on the inputs (x = x + y, not x += y).",
    "memory_is_read_where_it_says_so": "Set the class attribute needs_memory = True if forward reads the memory; if not, accept None.",
    "attention_is_a_distribution_over_the_memory": "Let attention return BNL weights that are at least 0 and sum to 1 over L.",
    "shapes": "Return HeadOutput(score_B, score_BN) with score_BN of one column, or one a query, for any number of queries.",
    "what_is_fitted_predicts": "Let fit(queries_BND, score_B) replace the weights, so that forward then gives scores on the scale of "
    "score_B.",
    "routing_is_a_choice": "Set routes = True and return a Routing for each mixture (an interaction: queries and Routing): "
    "weights that sum to 1 over the chosen experts and are 0 elsewhere.",
    # losses
    "is_a_finite_non_negative_scalar": "Return one number that is at least 0 (shape ()), 0 where there is nothing to improve.",
    "has_a_finite_gradient": "Keep the graph from score_B (or the routing's logits) to the loss; set needs_routing = True for the latter.",
    "is_finite_where_all_scores_or_all_labels_are_equal": "Guard divisions and square roots with a small number (clamp_min).",
    "items_in_another_order_give_the_same": "Do not let the order of the images in the batch matter.",
    "labels_are_left_alone": "Use no in-place operation on mos_B.",
    "mirrored_view_is_read_where_it_says_so": "Drop needs_mirrored = True, which costs a second forward pass, or read mirrored.",
    # models
    "is_a_documented_function_without_arguments": "Let the entry point name a function that takes nothing, with a docstring that "
    "begins with one sentence on one line.",
    "config_is_valid": "Mend the config as the message says; iqa-zoo validate MODEL shows every problem at once.",
    "config_is_a_fresh_one_each_time": "Make the dict inside the function, not at the top of the module.",
    "budget_of_the_model_itself_is_known": "See iqa-zoo budget MODEL; an operator without a formula: iqa_zoo.budgets.add_formula.",
    "graph_is_right_on_other_images": "A part computes something from values in Python; the suite of its slot shows which.",
    "scores_a_batch_image_by_image": "Look for a part that mixes images of a batch in eval mode, or gives a number that is not finite.",
    "weights_go_through_a_file": "Keep all that decides the score in the config, parameters and persistent buffers.",
    "same_seed_gives_the_same_model": "Draw initial values from torch's generator only, not from random or numpy.",
    # data sets
    "takes_a_root_and_keywords": "Write def NAME(root: str | Path, *, KEY=DEFAULT, ...) -> RatedImages.",
    "has_a_docstring": "Say in the docstring which files are read, the scale and the direction of the scores.",
    "a_folder_that_is_not_there_is_named": "Raise iqa_zoo.errors.InputError with the folder in its message.",
    "an_empty_folder_is_named": "Raise iqa_zoo.errors.InputError that says what was looked for, and where.",
    # studies
    "is_a_study_with_a_title": "Derive the class from iqa_zoo.studies.study.Study; give it a title such as 'a study of seeds', and "
    "options that are a frozen dataclass of iqa_zoo.studies.settings.setting fields.",
    "report_has_its_three_functions": "Give the class a report, a module or an object, with make_tables, make_sentences and "
    "make_figures, which take the results (make_figures may return {}).",
    "a_small_run_has_tables_figures_and_a_page": "Run iqa-zoo NAME --data demo --images 40; settings that a small run needs go into "
    "the attribute examples, for example ({'models': ['deiqt'], 'seeds': 2},).",
}

"""fvcore without its import warning on a recent torch, which comes from a scripted loss that is not used here."""

import warnings

with warnings.catch_warnings():
    warnings.filterwarnings("ignore", message="`torch.jit.script` is deprecated", category=FutureWarning)
    warnings.filterwarnings("ignore", message="`torch.jit.script` is deprecated", category=DeprecationWarning)
    from fvcore.nn import FlopCountAnalysis
    from fvcore.nn.jit_handles import batchnorm_flop_jit, elementwise_flop_counter, get_shape, norm_flop_counter

__all__ = ["FlopCountAnalysis", "batchnorm_flop_jit", "elementwise_flop_counter", "get_shape", "norm_flop_counter"]

"""Look at the seals of a PDF with pyHanko's parts. Implements services.verify.SealValidator.

reading    limits, the file, its signatures, the room each leaves for itself
changes    what followed a seal
trust      chains and revocation at a given time, offline
proofs     time-stamps from the newest to the oldest: what is proven when
validator  the observation of each seal
bounded    the same in a process of its own, with a limit of memory and time
"""

from chalicelib.adapters.pades_validation.bounded import BoundedValidator
from chalicelib.adapters.pades_validation.trust import Revocation, load_pem, validation_context
from chalicelib.adapters.pades_validation.validator import PadesValidator

__all__ = ["BoundedValidator", "PadesValidator", "Revocation", "load_pem", "validation_context"]

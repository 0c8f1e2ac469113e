from hashlib import new as new

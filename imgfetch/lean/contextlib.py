"""`contextlib`, without what makes decorators and asynchronous ones of its classes."""

from __future__ import annotations

import sys


class suppress:
    """See `contextlib.suppress`."""

    __slots__ = ("_kinds",)

    def __init__(self, *kinds):
        self._kinds = kinds

    def __enter__(self):
        """Nothing to be done."""

    def __exit__(self, kind, error, traceback):
        return kind is not None and issubclass(kind, self._kinds)


class nullcontext:
    """See `contextlib.nullcontext`."""

    __slots__ = ("_result",)

    def __init__(self, enter_result=None):
        self._result = enter_result

    def __enter__(self):
        return self._result

    def __exit__(self, kind, error, traceback):
        """Nothing to be done."""


class closing:
    """See `contextlib.closing`."""

    __slots__ = ("_thing",)

    def __init__(self, thing):
        self._thing = thing

    def __enter__(self):
        return self._thing

    def __exit__(self, kind, error, traceback):
        self._thing.close()


def contextmanager(function):
    """See `contextlib.contextmanager`."""

    def begin(*args, **kwargs):
        return _GeneratorContext(function(*args, **kwargs))

    begin.__name__ = function.__name__
    begin.__qualname__ = function.__qualname__
    begin.__module__ = function.__module__
    begin.__doc__ = function.__doc__
    begin.__wrapped__ = function
    return begin


class _GeneratorContext:
    """What a generator does before and after its one ``yield``."""

    __slots__ = ("_generator",)

    def __init__(self, generator):
        self._generator = generator

    def __enter__(self):
        for value in self._generator:
            return value
        message = "generator didn't yield"
        raise RuntimeError(message)

    def __exit__(self, kind, error, traceback):
        if error is None:
            for _ in self._generator:
                self._generator.close()
                message = "generator didn't stop"
                raise RuntimeError(message)
            return False
        try:
            self._generator.throw(error)
        except BaseException as raised:
            if isinstance(raised, StopIteration) and raised is not error:
                return True  # the generator has dealt with it, and ended
            # What was thrown in may come out as it is; a StopIteration does so as the cause
            # of a RuntimeError (PEP 479).
            through = isinstance(error, StopIteration) and raised.__cause__ is error
            if raised is not error and not through:
                raise
            error.__traceback__ = traceback
            return False
        self._generator.close()
        message = "generator didn't stop after throw()"
        raise RuntimeError(message)


class ExitStack:
    """See `contextlib.ExitStack`."""

    __slots__ = ("_exits",)

    def __init__(self):
        self._exits = []

    def enter_context(self, context):
        """Enter a context, to be left with this one."""
        kind = type(context)
        leave = kind.__exit__
        value = kind.__enter__(context)
        self._exits.append(lambda *details: leave(context, *details))
        return value

    def callback(self, function, /, *args, **kwargs):
        """Have something called when this context is left."""

        def call(_kind, _error, _traceback):
            function(*args, **kwargs)

        self._exits.append(call)
        return function

    def pop_all(self):
        """Another one that is to do what this one would have done."""
        other = type(self)()
        exits, self._exits = self._exits, []
        other._exits.extend(exits)  # noqa: SLF001 - one of its own kind
        return other

    def close(self):
        """Leave everything now."""
        self.__exit__(None, None, None)

    def __enter__(self):
        return self

    def __exit__(self, _kind, error, _traceback):
        handled = sys.exception()
        pending = error
        while self._exits:
            leave = self._exits.pop()
            try:
                if leave(
                    None if pending is None else type(pending),
                    pending,
                    None if pending is None else pending.__traceback__,
                ):
                    pending = None
            except BaseException as raised:  # noqa: BLE001 - raised again when all are left
                _chain(raised, pending, handled)
                pending = raised
        if pending is None or pending is error:
            return error is not None and pending is None
        context = pending.__context__
        try:
            raise pending
        finally:
            # Raising has put what is being handled here in its place.
            pending.__context__ = context


def _chain(raised, pending, handled):
    """Let an exception name the one before it, as in nested contexts."""
    last = raised
    while not any(last.__context__ is one for one in (None, handled, pending)):
        last = last.__context__
    if last is not pending and last.__context__ is not pending:
        last.__context__ = pending

from ._session import Session, session

__all__ = ["Session", "session"]

"""What must hold before a merged file may be called clean, and how names are followed for it."""

"""Jobs on several devices, one process per device."""

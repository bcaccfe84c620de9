const a = <Shop name="x" open />;

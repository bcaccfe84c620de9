const a = <Shop name="x" />;

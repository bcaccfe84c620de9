<?php
use A\B;
use A\D;

class Shop
{
    public function open()
    {
    }

    public function sell()
    {
    }
}

import 'a.dart';

enum Shop {
  open,
}
